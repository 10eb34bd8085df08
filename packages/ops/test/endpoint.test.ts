// The endpoint as a server of HTTP, and as a part of its application.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import {
  bootstrap,
  Connection,
  Module,
  type ModuleImport,
  OnData,
  ProviderError,
  Reagent,
  silentLogger,
} from '@reagent/core';
import { Gauge, type OperationsReport, Ops, OpsOptions, OpsServer, Registry } from '@reagent/ops';
import { createTestApp, TestClient } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { until } from './support/until.js';

@Reagent({ port: 0 })
class Echo {
  @OnData()
  echo(conn: Connection, data: Buffer) {
    conn.send(data);
  }
}

function appWith(options: OpsOptions): ModuleImport {
  @Module({ imports: [Ops.forRoot(options)], reagents: [Echo] })
  class AppModule {}
  return AppModule;
}

const AppModule = appWith({ port: 0, title: 'the test' });

describe('the endpoint over HTTP', () => {
  it('is for this machine only, unless told otherwise', async () => {
    await using app = await createTestApp(AppModule).start();
    const { url, port } = app.resolve(OpsServer);
    expect(url).toBe(`http://127.0.0.1:${port}/`);
    await using six = await createTestApp(appWith({ port: 0, host: '::1' })).start();
    expect(six.resolve(OpsServer).url).toMatch(/^http:\/\/\[::1\]:\d+\/$/);
    expect((await fetch(`${six.resolve(OpsServer).url}healthz`)).status).toBe(200);
  });

  it('has the page, which may run what is in it and nothing else', async () => {
    await using app = await createTestApp(AppModule).start();
    const response = await fetch(app.resolve(OpsServer).url);
    const html = await response.text();
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const [, script = ''] = /<script type="module">([\s\S]*?)<\/script>/.exec(html) ?? [];
    const [, style = ''] = /<style>([\s\S]*?)<\/style>/.exec(html) ?? [];
    const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
    expect(response.headers.get('content-security-policy')).toBe(
      `default-src 'none'; style-src ${hash(style)}; script-src ${hash(script)}; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    );
    expect(script.length).toBeGreaterThan(1_000);
    expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
  });

  it('says of everything that it is not for other sites or caches', async () => {
    await using app = await createTestApp(AppModule).start();
    for (const path of ['', 'metrics', 'healthz', 'readyz', 'stats.json', 'nothing']) {
      const { headers } = await fetch(app.resolve(OpsServer).url + path);
      expect(Object.fromEntries(headers), path).toMatchObject({
        'cache-control': 'no-store',
        'content-security-policy': expect.stringMatching(/default-src 'none'.*frame-ancestors 'none'/),
        'cross-origin-resource-policy': 'same-origin',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
      });
      expect(headers.get('access-control-allow-origin')).toBeNull();
    }
  });

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])('answers 405 to %s', async (method) => {
    await using app = await createTestApp(AppModule).start();
    const { url } = app.resolve(OpsServer);
    const response = await fetch(`${url}metrics`, {
      method,
      ...(method === 'OPTIONS' ? {} : { body: 'x'.repeat(100_000) }),
    });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
    expect(response.headers.get('connection')).toBe('close');
    expect((await fetch(`${url}healthz`)).status).toBe(200);
  });

  it('answers HEAD as GET, without the body', async () => {
    await using app = await createTestApp(AppModule).start();
    for (const path of ['', 'healthz', 'readyz']) {
      const url = app.resolve(OpsServer).url + path;
      const [get, head] = [await fetch(url), await fetch(url, { method: 'HEAD' })];
      expect(head.status).toBe(200);
      expect(head.headers.get('content-length')).toBe(String((await get.arrayBuffer()).byteLength));
      expect(await head.text()).toBe('');
    }
  });

  it('answers 404 to other paths, and says which there are', async () => {
    await using app = await createTestApp(AppModule).start();
    for (const path of ['metrics/', 'Metrics', 'favicon.ico', '%2e%2e/package.json', '/metrics']) {
      const response = await fetch(app.resolve(OpsServer).url + path);
      expect(response.status, path).toBe(404);
      expect(await response.text()).toContain('/metrics, /healthz, /readyz, /stats.json');
    }
  });

  it('answers below a path where it has one, and nowhere else', async () => {
    await using app = await createTestApp(appWith({ port: 0, path: '/ops' })).start();
    const { url } = app.resolve(OpsServer);
    expect(url).toMatch(/:\d+\/ops\/$/);
    expect((await fetch(`${url}metrics`)).status).toBe(200);
    expect((await fetch(new URL('/metrics', url))).status).toBe(404);
    expect((await fetch(new URL('/opsmetrics', url))).status).toBe(404);
    const bare = await fetch(new URL('/ops', url), { redirect: 'manual' });
    expect([bare.status, bare.headers.get('location')]).toEqual([308, '/ops/']);
  });

  it('answers several requests that come at once, in their order', async () => {
    await using app = await createTestApp(AppModule).start();
    const client = await TestClient.connect({ host: '127.0.0.1', port: app.resolve(OpsServer).port });
    const request = (path: string, connection: string) =>
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: ${connection}\r\n\r\n`;
    await client.send(
      request('/metrics', 'keep-alive') + request('/healthz', 'keep-alive') + request('/nothing', 'close'),
    );
    await client.closed();
    const statuses = [...String(client.received).matchAll(/^HTTP\/1.1 (\d+)/gm)].map(([, status]) => status);
    expect(statuses).toEqual(['200', '200', '404']);
    client.destroy();
  });

  it('answers 400 to what is no HTTP, and closes without a reset', async () => {
    await using app = await createTestApp(AppModule).start();
    const client = await TestClient.connect({ host: '127.0.0.1', port: app.resolve(OpsServer).port });
    await client.send('this is not HTTP\r\n\r\n');
    await client.receive(/^HTTP\/1.1 400 Bad Request\r\n/);
    expect(await client.closed()).toBe('end');
    client.destroy();
    expect(app.logs.filter(({ level }) => level === 'error')).toEqual([]);
  });
});

describe('/stats.json', () => {
  it('has the figures of the page', async () => {
    await using app = await createTestApp(AppModule).start();
    const client = await app.connect(Echo);
    await client.send('hello');
    await client.receive('hello');
    const report = (await (await fetch(`${app.resolve(OpsServer).url}stats.json`)).json()) as OperationsReport;
    expect(report).toMatchObject({
      title: 'the test',
      process: { pid: process.pid, node: process.version, reagent: '0.1.0' },
      readiness: { ready: true, reasons: [], listeners: [{ name: 'Echo', status: 'listening' }] },
      eventLoopDelay: { p50: expect.any(Number), p99: expect.any(Number), max: expect.any(Number) },
      listeners: [
        {
          name: 'Echo',
          status: 'listening',
          secure: false,
          maxConnections: null,
          connections: { active: 1, accepted: 1 },
          bytes: { in: 5, out: 5 },
        },
      ],
    });
    expect(report.samples).toBeUndefined();
  });

  it('has samples after a moment, of every second from then on', async () => {
    await using app = await createTestApp(AppModule).start();
    const { url } = app.resolve(OpsServer);
    const samplesSince = async (since: number) => {
      const { samples } = (await (await fetch(`${url}stats.json?since=${since}`)).json()) as {
        samples: { time: number }[];
      };
      return samples.map(({ time }) => time);
    };
    const first = await samplesSince(0);
    expect(first.length).toBeGreaterThan(0);
    const newest = first.at(-1) ?? 0;
    expect(await samplesSince(newest + 60_000)).toEqual([]);
    await until(async () => (await samplesSince(newest)).length > 0);
    expect(Math.min(...(await samplesSince(newest)))).toBeGreaterThan(newest);
  });

  it.each(['x', '-1', '1.5', ''])('refuses since=%s', async (since) => {
    await using app = await createTestApp(AppModule).start();
    const response = await fetch(`${app.resolve(OpsServer).url}stats.json?since=${since}`);
    expect(response.status).toBe(400);
  });
});

describe('the endpoint in its application', () => {
  it('is no listener of it', async () => {
    await using app = await createTestApp(AppModule).start();
    expect(app.application.listeners.map(({ name }) => name)).toEqual(['Echo']);
    expect(Object.keys(app.application.stats().listeners)).toEqual(['Echo']);
  });

  it('finishes the answer that it is making when the application stops, and lets those go who wait for nothing', async () => {
    const app = await createTestApp(AppModule).start();
    const { url, port } = app.resolve(OpsServer);
    let release: () => void = () => undefined;
    let began: () => void = () => undefined;
    const beginning = new Promise<void>((resolve) => (began = resolve));
    const gate = new Promise<void>((resolve) => (release = resolve));
    const collect = () => {
      began();
      return gate;
    };
    new Gauge({ name: 'slow', help: 'Takes a while.', registers: [app.resolve(Registry)], collect });
    const idle = connect(port, '127.0.0.1');
    await once(idle, 'connect');
    idle.resume();
    const idleEnd = once(idle, 'end');
    const scrape = fetch(`${url}metrics`);
    await beginning;
    const stopping = app.application.stop();
    await idleEnd;
    release();
    const response = await scrape;
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('\nslow 0\n');
    await stopping;
    await app.stop();
  });

  it('can be put elsewhere by a test', async () => {
    await using one = await createTestApp(AppModule).start();
    const { port } = one.resolve(OpsServer);
    await using other = await createTestApp(appWith({ port })).override(OpsOptions).useValue({ port: 0 }).start();
    expect(other.resolve(OpsServer).port).not.toBe(port);
  });

  it('keeps the application from starting when it cannot listen, and leaves nothing', async () => {
    await using one = await createTestApp(AppModule).start();
    const { port } = one.resolve(OpsServer);
    const failed = bootstrap(appWith({ port }), { logger: silentLogger, signals: false });
    await expect(failed).rejects.toBeInstanceOf(ProviderError);
    await expect(failed).rejects.toMatchObject({ cause: { code: 'EADDRINUSE' } });
    await expect(failed).rejects.toThrow(`127.0.0.1:${port}`);
  });

  it('wants options', async () => {
    await expect(bootstrap(Ops, { logger: silentLogger, signals: false })).rejects.toThrow(
      'import Ops.forRoot({ port: 9464 })',
    );
    expect(() => Ops.forRoot({ port: -1 })).toThrow(
      'Ops.forRoot(), port: expected an integer from 0 to 65535, received -1',
    );
  });
});
