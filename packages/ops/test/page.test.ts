// The page, in a real browser.

import { Connection, Module, OnData, Reagent } from '@reagent/core';
import { Ops, OpsOptions, OpsServer } from '@reagent/ops';
import { createTestApp, type TestApp } from '@reagent/testing';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, type OpenPage, open, violations } from './support/browser.js';
import { pathOf } from './support/programs.js';

@Reagent({ port: 0, maxConnections: 1, maxWaiting: 0 })
class Echo {
  @OnData()
  echo(conn: Connection, data: Buffer) {
    conn.send(data);
  }
}

@Reagent({ port: 0 })
class AListenerWithQuiteALongNameAsSomeHave extends Echo {}

@Module({
  imports: [Ops.forRoot({ port: 0, title: 'echo.example' })],
  reagents: [Echo, AListenerWithQuiteALongNameAsSomeHave],
})
class AppModule {}

const chromium = pathOf('chromium');
const row = (page: Page, name: string) => page.getByRole('row', { name: new RegExp(`^${name}`) });
const cellOf = (page: Page, listener: string, column: string) =>
  row(page, listener).locator(`[data-column="${column}"]`);

async function reject(app: TestApp): Promise<void> {
  const first = await app.connect(Echo);
  await first.send('x');
  await first.receive('x');
  const second = await app.connect(Echo);
  expect(await second.closed()).toBe('reset');
}

describe.skipIf(chromium === undefined)(
  chromium === undefined ? 'the page (skipped: chromium is not installed)' : 'the page',
  { timeout: 30_000 },
  () => {
    let browser: Browser;

    beforeAll(async () => {
      browser = await launch(String(chromium));
    });

    afterAll(() => browser.close());

    async function show(app: TestApp, options?: Parameters<typeof open>[2]): Promise<OpenPage> {
      const opened = await open(browser, app.resolve(OpsServer).url, options);
      await row(opened.page, 'Echo').waitFor();
      return opened;
    }

    it('needs nothing but its server, and has nothing to complain about', async () => {
      await using app = await createTestApp(AppModule).start();
      await using opened = await show(app);
      await opened.page.waitForResponse(/stats\.json/);
      const { url } = app.resolve(OpsServer);
      const asked = new Set(
        opened.requests.filter((each) => !each.startsWith('data:')).map((each) => each.replace(/\?.*/, '')),
      );
      expect([...asked]).toEqual([url, `${url}stats.json`]);
      expect(opened.complaints).toEqual([]);
      expect(await opened.page.title()).toBe('echo.example');
    });

    it('has the landmarks and tables of a document', async () => {
      await using app = await createTestApp(AppModule).start();
      await using opened = await show(app);
      const { page } = opened;
      for (const landmark of ['banner', 'main', 'contentinfo'] as const)
        expect(await page.getByRole(landmark).count()).toBe(1);
      const table = page.getByRole('table', { name: 'Listeners' });
      expect(await table.getByRole('columnheader').count()).toBe(8);
      expect(await table.getByRole('row').count()).toBe(3);
      // For browsers that forget it where the table is laid out as a list; this one does not.
      expect(await table.getAttribute('role')).toBe('table');
      expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('echo.example');
    });

    it('updates by itself', async () => {
      await using app = await createTestApp(AppModule).start();
      await using opened = await show(app);
      const connections = cellOf(opened.page, 'Echo', 'Connections');
      await connections.getByText('0 of 1').waitFor();
      const client = await app.connect(Echo);
      await connections.getByText('1 of 1').waitFor();
      await client.end();
      await connections.getByText('0 of 1').waitFor();
      expect(await cellOf(opened.page, 'Echo', 'Accepted').textContent()).toMatch(/^1/);
    });

    it('shows who was rejected, and why, after it has happened', async () => {
      await using app = await createTestApp(AppModule).start();
      await using opened = await show(app);
      await opened.page.getByText('No client has been turned away.').waitFor();
      await reject(app);
      const reason = opened.page
        .getByRole('table', { name: 'Rejected, by reason' })
        .getByRole('row', { name: /^maxConnections/ });
      await reason.waitFor();
      // Those of the last minutes are counted a moment later, with the next sample.
      await reason.getByText('1', { exact: true }).nth(1).waitFor();
      await cellOf(opened.page, 'Echo', 'Rejected').getByText('1 in 5 min').waitFor();
      expect(await cellOf(opened.page, 'Echo', 'Rejected').textContent()).toBe('11 in 5 min');
    });

    it('shows what happened before it was opened', async () => {
      await using app = await createTestApp(AppModule).start();
      await reject(app);
      await using opened = await show(app);
      await cellOf(opened.page, 'Echo', 'Rejected').getByText('1 in 5 min').waitFor();
    });

    it('says that the application is not ready, and which listener it is', async () => {
      await using app = await createTestApp(AppModule).start();
      await using opened = await show(app);
      const { page } = opened;
      await page.getByText('Ready', { exact: true }).waitFor();
      await app.listener(Echo).suspend();
      await page.getByText('Not ready', { exact: true }).waitFor();
      expect(await page.locator('#reasons').textContent()).toBe('Echo is suspended');
      expect(await page.getByRole('status').textContent()).toBe('Not ready. Echo is suspended');
      expect(await page.title()).toBe('✗ echo.example');
      await app.listener(Echo).resume();
      await page.getByText('Ready', { exact: true }).waitFor();
    });

    it('shows the workers where there are any', async () => {
      await using app = await createTestApp(AppModule).start();
      await using opened = await show(app);
      const { page } = opened;
      expect(await page.getByRole('heading', { name: 'Workers' }).count()).toBe(0);
      await page.route(/stats\.json/, async (route) => {
        const response = await route.fetch();
        const report = await response.json();
        const listeners = Object.fromEntries(report.listeners.map((each: { name: string }) => [each.name, each]));
        const processes = [
          { id: 1, pid: 4_711, status: 'listening', restarts: 0, listeners },
          { id: 2, status: 'died', restarts: 3, listeners: {} },
        ];
        await route.fulfill({ response, json: { ...report, workers: { accept: 'shared', processes } } });
      });
      await app.connect(Echo);
      const table = page.getByRole('table', { name: 'Workers' });
      await table
        .getByRole('row', { name: /^1 ?listening ?process 4711/ })
        .getByRole('cell', { name: '1' })
        .first()
        .waitFor();
      const second = table.getByRole('row', { name: /^2 ?died/ });
      expect(await second.getByRole('cell').allTextContents()).toEqual(['0', '0', '0', '–', '–', '–', '3']);
      expect(await page.locator('#fact-kind').textContent()).toBe('Supervisor');
      await page.unrouteAll({ behavior: 'wait' });
    });

    it('survives a restart of the server', async () => {
      const first = await createTestApp(AppModule).start();
      const { port } = first.resolve(OpsServer);
      await using opened = await show(first);
      const { page } = opened;
      await first.connect(Echo);
      await cellOf(page, 'Echo', 'Connections').getByText('1 of 1').waitFor();
      await first.stop();
      await page.getByText(/^No answer since/).waitFor();
      await using second = await createTestApp(AppModule)
        .override(OpsOptions)
        .useValue({ port, title: 'the second' })
        .start();
      await page.getByRole('heading', { name: 'the second' }).waitFor();
      expect(await page.getByText(/^No answer since/).isVisible()).toBe(false);
      await cellOf(page, 'Echo', 'Connections').getByText('0 of 1').waitFor();
      expect(await page.locator('.restart').count()).toBe(6);
      const client = await second.connect(Echo);
      await cellOf(page, 'Echo', 'Connections').getByText('1 of 1').waitFor();
      client.destroy();
    });

    it('can be used with the keyboard alone', async () => {
      await using app = await createTestApp(AppModule).start();
      await using opened = await show(app);
      const { page } = opened;
      await page.keyboard.press('Tab');
      expect(await page.locator(':focus').textContent()).toBe('Skip to the figures');
      await page.keyboard.press('Enter');
      await page.keyboard.press('Tab');
      expect(await page.locator(':focus').getAttribute('type')).toBe('radio');
      await page.keyboard.press('ArrowRight');
      expect(await page.getByRole('radio', { name: 'Echo', exact: true }).isChecked()).toBe(true);
      await page.keyboard.press('Tab');
      const plot = page.getByRole('slider', { name: /^Connections/ });
      expect(await plot.evaluate((element) => element === element.ownerDocument.activeElement)).toBe(true);
      expect(await plot.getAttribute('aria-valuetext')).toBe('now');
      await page.keyboard.press('Home');
      expect(await plot.getAttribute('aria-valuetext')).toMatch(/^\d\d:\d\d:\d\d: open \d+, waiting for room \d+$/);
      expect(await page.locator('#reading').textContent()).toMatch(/^at \d\d:\d\d:\d\d, \d+ s ago$/);
      await page.keyboard.press('Escape');
      expect(await plot.getAttribute('aria-valuetext')).toBe('now');
      await page.keyboard.press('Tab');
      expect(await page.locator(':focus').getAttribute('aria-label')).toMatch(/^New connections/);
    });

    it('shows one listener where one is chosen', async () => {
      await using app = await createTestApp(AppModule).start();
      await using opened = await show(app);
      const { page } = opened;
      const active = page.locator('figure', { hasText: 'waiting for room' }).locator('.value').first();
      await app.connect(Echo);
      await app.connect(AListenerWithQuiteALongNameAsSomeHave);
      await active.getByText('2', { exact: true }).waitFor();
      await page.getByRole('radio', { name: 'Echo', exact: true }).check({ force: true });
      await active.getByText('1', { exact: true }).waitFor();
      await page.getByRole('radio', { name: 'All listeners' }).check({ force: true });
      await active.getByText('2', { exact: true }).waitFor();
    });

    it('fits on a phone, with lists instead of wide tables', async () => {
      await using app = await createTestApp(AppModule).start();
      await reject(app);
      for (const width of [320, 375]) {
        await using opened = await show(app, { viewport: { width, height: 812 } });
        await opened.page.getByRole('table', { name: 'Rejected, by reason' }).waitFor();
        const tooWide = await opened.page
          .locator('body *:not(:has(#listeners) > thead *)')
          .evaluateAll(
            (elements, edge) =>
              elements.filter((each) => each.getBoundingClientRect().right > edge).map((each) => each.outerHTML),
            width,
          );
        expect(tooWide).toEqual([]);
        expect(await opened.page.locator('html').evaluate((element) => element.scrollWidth)).toBeLessThanOrEqual(width);
        expect(await opened.page.getByRole('table', { name: 'Listeners' }).getByRole('row').count()).toBe(3);
      }
    });

    it.each([
      ['light', 1280],
      ['dark', 375],
    ] as const)('has no fault that axe-core finds, %s and %i px wide', async (colorScheme, width) => {
      await using app = await createTestApp(AppModule).start();
      await reject(app);
      await using opened = await show(app, { colorScheme, viewport: { width, height: 812 } });
      await opened.page.getByRole('table', { name: 'Rejected, by reason' }).waitFor();
      expect(await violations(opened.page)).toEqual([]);
    });

    it('is dark where that is wanted, and keeps still where that is', async () => {
      await using app = await createTestApp(AppModule).start();
      const look = async (page: Page) => [
        await page
          .locator('html')
          .evaluate((element) => element.computedStyleMap().get('background-color')?.toString()),
        await page.locator('.pulse').evaluate((element) => element.getAnimations().length),
      ];
      await using light = await show(app, { colorScheme: 'light' });
      await using dark = await show(app, { colorScheme: 'dark', reducedMotion: 'reduce' });
      expect(await look(light.page)).toEqual(['rgb(244, 245, 247)', 1]);
      expect(await look(dark.page)).toEqual(['rgb(14, 17, 22)', 0]);
    });
  },
);
