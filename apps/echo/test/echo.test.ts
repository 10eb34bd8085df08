import type { Constructor } from '@reagent/core';
import { certificates, createTestApp, everySplit, type TestApp } from '@reagent/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AppModule } from '../src/app.module.js';
import { MessageCounter } from '../src/message-counter.js';
import { PullEcho } from '../src/pull-echo.js';
import { PushEcho } from '../src/push-echo.js';
import { SessionEcho } from '../src/session-echo.js';
import { TlsAppModule } from '../src/tls-app.module.js';
import { TlsEcho } from '../src/tls-echo.js';

let app: TestApp;

beforeEach(async () => {
  app = await createTestApp(AppModule).start();
});

afterEach(() => app.stop());

/** A row of `test.each` that is called by the class's name. */
const named = (reagent: Constructor) => ({ name: reagent.name, reagent });

test.each([named(PushEcho), named(PullEcho)])('$name answers what it gets', async ({ reagent }) => {
  const client = await app.connect(reagent);

  await client.send('hello\n');
  expect(await client.line()).toBe('hello');
});

test.each([named(PushEcho), named(PullEcho)])('$name answers a client that has ended its side', async ({ reagent }) => {
  const client = await app.connect(reagent);

  await client.send('hello\n');
  await client.end();

  expect(await client.line()).toBe('hello');
  expect(await client.closed()).toBe('end');
});

test.each([named(PushEcho), named(PullEcho)])('$name answers in whatever pieces it is sent', async ({ reagent }) => {
  await everySplit('grün\n', async ({ send }) => {
    await using client = await app.connect(reagent);
    await send(client);
    await client.receive('grün\n');
  });
});

test.each([named(PushEcho), named(PullEcho), named(SessionEcho)])(
  '$name stops reading from a client that does not read its answers',
  async ({ reagent }) => {
    const client = await app.connect(reagent, { transport: 'memory' });
    client.pause();
    const sent = client.send('x'.repeat(4_000_000), { timeout: 60_000 }).catch(() => 'cut off');

    await app.expectBackpressure();
    expect(app.listener(reagent).stats().bytes.in).toBeLessThan(4_000_000);

    client.destroy();
    await sent;
  },
);

test.each([named(PushEcho), named(PullEcho), named(SessionEcho)])('$name forgets who has left', async ({ reagent }) => {
  const client = await app.connect(reagent);
  await client.send('hello\n');
  await client.line();
  await client.end();
  await client.closed();

  await app.expectReleased();
});

test('SessionEcho numbers the messages of each connection', async () => {
  const one = await app.connect(SessionEcho);
  const other = await app.connect(SessionEcho);

  await one.send('a\n');
  expect(await one.line()).toBe('#1 a');
  await one.send('b\n');
  expect(await one.line()).toBe('#2 b');
  await other.send('c\n');
  expect(await other.line()).toBe('#1 c');
});

test('the servers share one counter', async () => {
  for (const reagent of [PushEcho, PullEcho, SessionEcho]) {
    const client = await app.connect(reagent);
    await client.send('hello\n');
    await client.line();
  }

  expect(app.resolve(MessageCounter).total).toBe(3);
});

test.each([named(PushEcho), named(PullEcho), named(SessionEcho)])(
  'stopping closes the connections of $name at once',
  async ({ reagent }) => {
    const client = await app.connect(reagent);
    await client.send('hello\n');
    await client.line();

    // Without @OnShutdown it would wait for the client for this long.
    await app.application.stop({ timeout: 60_000 });

    expect(await client.closed()).toBe('end');
  },
);

describe('with TLS', () => {
  let tlsApp: TestApp;

  beforeEach(async () => {
    const secure = (await certificates()).server;
    tlsApp = await createTestApp(TlsAppModule, { descriptors: { TlsEcho: { secure } } }).start();
  });

  afterEach(() => tlsApp.stop());

  test('TlsEcho answers what it gets, encrypted', async () => {
    const client = await tlsApp.connect(TlsEcho, { secure: true });

    await client.send('hello\n');
    expect(await client.line()).toBe('hello');
    expect(client.tlsVersion).toBe('TLSv1.3');
  });

  test('stopping closes the connections of TlsEcho at once', async () => {
    const client = await tlsApp.connect(TlsEcho);
    await client.send('hello\n');
    await client.line();

    await tlsApp.application.stop({ timeout: 60_000 });

    expect(await client.closed()).toBe('end');
  });

  test('all four servers share one counter', async () => {
    for (const reagent of [PushEcho, PullEcho, SessionEcho, TlsEcho]) {
      const client = await tlsApp.connect(reagent);
      await client.send('hello\n');
      await client.line();
    }

    expect(tlsApp.resolve(MessageCounter).total).toBe(4);
  });
});
