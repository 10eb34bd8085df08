// What a scraper gets from a whole application.

import { spawnSync } from 'node:child_process';
import { Connection, injectable, lines, Module, OnData, Reagent } from '@reagent/core';
import { Counter, Gauge, Ops, OpsServer, Registry } from '@reagent/ops';
import { certificates, createTestApp, type TestApp } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { type Family, parseExposition, sampleValue } from './support/exposition.js';
import { pathOf } from './support/programs.js';
import { until } from './support/until.js';

const promtool = pathOf('promtool');
const openMetrics = 'application/openmetrics-text; version=1.0.0';
/** What a Prometheus server of version 3 sends. */
const prometheusAccept =
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2';

@Reagent({ port: 0, maxConnections: 2, maxWaiting: 0, codec: lines() })
class Echo {
  @OnData()
  echo(conn: Connection<string>, line: string) {
    if (line === 'throw') throw new Error('told to');
    conn.send(line);
  }
}

@Reagent({ port: 0 })
class Quiet {
  @OnData()
  listen() {}
}

@Module({ imports: [Ops.forRoot({ port: 0 })], reagents: [Echo, Quiet] })
class AppModule {}

async function scrape(app: TestApp, accept?: string): Promise<{ type: string; text: string }> {
  const response = await fetch(`${app.resolve(OpsServer).url}metrics`, {
    headers: accept === undefined ? {} : { accept },
  });
  expect(response.status).toBe(200);
  return { type: String(response.headers.get('content-type')), text: await response.text() };
}

async function families(app: TestApp): Promise<Map<string, Family>> {
  return parseExposition((await scrape(app)).text, 'text');
}

describe('/metrics', () => {
  it('has what happened on each listener', async () => {
    await using app = await createTestApp(AppModule, { allow: ['errors'] }).start();
    const first = await app.connect(Echo);
    await first.send('hello\n');
    await first.receive('hello\n');
    const second = await app.connect(Echo);
    await second.send('throw\n');
    await second.closed();
    await app.listener(Echo).waitForConnections((connections) => connections === 1);
    const third = await app.connect(Echo);
    await third.send('a\nb\n');
    await third.receive('a\nb\n');
    const fourth = await app.connect(Echo);
    expect(await fourth.closed()).toBe('reset');

    // A scrape takes nothing away, and adds nothing.
    await scrape(app);
    const found = await families(app);
    const echo = { listener: 'Echo' };
    const value = (name: string, labels = {}) => sampleValue(found, name, { ...echo, ...labels });
    expect(value('reagent_connections_active')).toBe(2);
    expect(value('reagent_connections_limit')).toBe(2);
    expect(value('reagent_connections_waiting')).toBe(0);
    expect(value('reagent_connections_accepted_total')).toBe(4);
    expect(value('reagent_connections_rejected_total', { reason: 'maxConnections' })).toBe(1);
    expect(value('reagent_connections_rejected_total', { reason: 'accept' })).toBe(0);
    expect(value('reagent_connections_closed_total', { reason: 'error' })).toBe(1);
    expect(value('reagent_connections_closed_total', { reason: 'client' })).toBe(0);
    expect(value('reagent_received_bytes_total')).toBe('hello\nthrow\na\nb\n'.length);
    expect(value('reagent_sent_bytes_total')).toBe('hello\na\nb\n'.length);
    expect(value('reagent_received_messages_total')).toBe(4);
    expect(value('reagent_sent_messages_total')).toBe(3);
    expect(value('reagent_handler_errors_total')).toBe(1);
    expect(value('reagent_acceptors')).toBe(100);
    expect(value('reagent_acceptors_busy')).toBe(0);
    expect(value('reagent_acceptors_waiting')).toBe(0);
    expect(value('reagent_listener_status', { status: 'listening' })).toBe(1);
    expect(value('reagent_listener_status', { status: 'suspended' })).toBe(0);
    const quiet = { listener: 'Quiet' };
    expect(sampleValue(found, 'reagent_connections_accepted_total', quiet)).toBe(0);
    expect(sampleValue(found, 'reagent_connections_limit', quiet)).toBe(Infinity);
    expect(sampleValue(found, 'reagent_ready')).toBe(1);
  });

  it('follows the status of the listeners', async () => {
    await using app = await createTestApp(AppModule).start();
    await app.listener(Quiet).suspend();
    const found = await families(app);
    expect(sampleValue(found, 'reagent_listener_status', { listener: 'Quiet', status: 'suspended' })).toBe(1);
    expect(sampleValue(found, 'reagent_listener_status', { listener: 'Quiet', status: 'listening' })).toBe(0);
    expect(sampleValue(found, 'reagent_ready')).toBe(0);
  });

  it('forgets a listener that has stopped', async () => {
    await using app = await createTestApp(AppModule).start();
    await app.listener(Quiet).stop();
    const found = await families(app);
    expect(sampleValue(found, 'reagent_connections_active', { listener: 'Quiet' })).toBeUndefined();
    expect(sampleValue(found, 'reagent_connections_active', { listener: 'Echo' })).toBe(0);
    expect(sampleValue(found, 'reagent_ready')).toBe(1);
  });

  it('leaves out the connections of scrapers', async () => {
    await using app = await createTestApp(AppModule).start();
    await scrape(app);
    const { text } = await scrape(app);
    expect(text).not.toContain('listener="Ops"');
  });

  it('has TLS handshakes, and why they failed, of listeners with TLS only', async () => {
    const { server, ca } = await certificates();
    @Reagent({ port: 0, secure: { cert: server.cert, key: server.key } })
    class Secure extends Quiet {}
    @Module({ imports: [Ops.forRoot({ port: 0 })], reagents: [Secure, Quiet] })
    class SecureModule {}

    await using app = await createTestApp(SecureModule).start();
    await app.connect(Secure, { secure: { ca: ca.cert } });
    const plain = await app.connect(Secure, { secure: false });
    await plain.send('GET / HTTP/1.1\r\n\r\n');
    await plain.closed();
    const found = await families(app);
    expect(sampleValue(found, 'reagent_tls_handshakes_total', { listener: 'Secure' })).toBe(1);
    expect(sampleValue(found, 'reagent_tls_handshakes_resumed_total', { listener: 'Secure' })).toBe(0);
    expect(sampleValue(found, 'reagent_tls_handshake_failures_total', { listener: 'Secure', reason: 'notTls' })).toBe(
      1,
    );
    expect(sampleValue(found, 'reagent_tls_handshake_failures_total', { listener: 'Secure', reason: 'version' })).toBe(
      0,
    );
    expect(sampleValue(found, 'reagent_tls_handshakes_total', { listener: 'Quiet' })).toBeUndefined();
  });

  it('counts how late the event loop is', async () => {
    await using app = await createTestApp(AppModule).start();
    const held = 300;
    // Two looks before it is held up, so that the monitor is under way.
    await new Promise((resolve) => setTimeout(resolve, 50));
    const end = performance.now() + held;
    while (performance.now() < end);
    await until(async () => {
      await fetch(`${app.resolve(OpsServer).url}stats.json?since=0`);
      const found = await families(app);
      const late = (name: string, le: string) =>
        sampleValue(found, `reagent_event_loop_delay_seconds_${name}`, { le }) ?? 0;
      return late('bucket', '+Inf') > late('bucket', '0.1');
    });
    const found = await families(app);
    expect(sampleValue(found, 'reagent_event_loop_delay_seconds_sum')).toBeGreaterThan((held - 50) / 1_000);
  });

  it('has the process and the versions', async () => {
    await using app = await createTestApp(AppModule).start();
    const found = await families(app);
    expect(sampleValue(found, 'reagent_build_info', { version: '0.1.0' })).toBe(1);
    expect(sampleValue(found, 'process_resident_memory_bytes')).toBeGreaterThan(10_000_000);
    expect(sampleValue(found, 'process_start_time_seconds')).toBeGreaterThan(1_000_000_000);
    expect(found.has('process_cpu_seconds_total')).toBe(true);
    expect(found.has('nodejs_gc_duration_seconds')).toBe(true);
    // Two truths about one thing are one too many.
    expect([...found.keys()].filter((name) => name.includes('eventloop'))).toEqual([]);
  });

  it('has one application in it, also where a process has two', async () => {
    await using one = await createTestApp(AppModule).start();
    await using two = await createTestApp(AppModule).start();
    await one.connect(Quiet);
    await until(() => one.listener(Quiet).stats().connections.accepted === 1);
    const name = 'reagent_connections_accepted_total';
    expect(sampleValue(await families(one), name, { listener: 'Quiet' })).toBe(1);
    expect(sampleValue(await families(two), name, { listener: 'Quiet' })).toBe(0);
  });

  it("has the application's own metrics", async () => {
    @injectable()
    class Greetings {
      readonly #sent: Counter;

      constructor(registry: Registry) {
        this.#sent = new Counter({ name: 'greetings_sent_total', help: 'Greetings sent.', registers: [registry] });
      }

      greet(): void {
        this.#sent.inc();
      }
    }
    @Module({ imports: [AppModule], providers: [Greetings] })
    class Greeting {}

    await using app = await createTestApp(Greeting).start();
    app.resolve(Greetings).greet();
    expect(sampleValue(await families(app), 'greetings_sent_total')).toBe(1);
    await using other = await createTestApp(Greeting).start();
    expect(sampleValue(await families(other), 'greetings_sent_total')).toBe(0);
  });

  it("answers 500 while a metric of the application's own fails, and logs why", async () => {
    await using app = await createTestApp(AppModule).start();
    const registry = app.resolve(Registry);
    const collect = () => {
      throw new Error('told to');
    };
    new Gauge({ name: 'broken', help: 'Cannot be collected.', registers: [registry], collect });
    const response = await fetch(`${app.resolve(OpsServer).url}metrics`);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('told to');
    expect(app.logs.filter(({ level }) => level === 'error')).toMatchObject([
      { fields: { err: { message: 'told to' } } },
    ]);
    registry.removeSingleMetric('broken');
    expect((await scrape(app)).type).toContain('text/plain');
  });
});

describe('the format of /metrics', () => {
  it('is text where nothing else is asked for', async () => {
    await using app = await createTestApp(AppModule).start();
    for (const accept of [undefined, '*/*', 'text/plain', 'text/html', `${openMetrics};q=0.4, text/plain`]) {
      expect((await scrape(app, accept)).type).toBe('text/plain; version=0.0.4; charset=utf-8');
    }
  });

  it('is OpenMetrics for those who prefer it', async () => {
    await using app = await createTestApp(AppModule).start();
    for (const accept of [openMetrics, 'application/openmetrics-text', prometheusAccept]) {
      const { type, text } = await scrape(app, accept);
      expect(type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
      const found = parseExposition(text, 'openmetrics');
      expect(sampleValue(found, 'reagent_connections_accepted_total', { listener: 'Echo' })).toBe(0);
      expect(found.get('reagent_connections_accepted')?.type).toBe('counter');
    }
  });

  it('is not changed by what others ask for', async () => {
    await using app = await createTestApp(AppModule).start();
    const namesIn = async (accept?: string) =>
      [...(await scrape(app, accept)).text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    const before = await namesIn();
    await Promise.all([namesIn(openMetrics), namesIn(), namesIn(openMetrics)]);
    expect(await namesIn()).toEqual(before);
    expect(await namesIn(openMetrics)).toEqual(await namesIn(openMetrics));
  });

  it('has names as Prometheus wants them', async () => {
    await using app = await createTestApp(AppModule).start();
    await app.connect(Echo);
    for (const { name, type, help, samples } of (await families(app)).values()) {
      expect(name, name).toMatch(/^(reagent|process|nodejs)(_[a-z0-9]+)+$/);
      expect(help.length, name).toBeGreaterThan(5);
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      // Base units only, and in full.
      expect(name, name).not.toMatch(/_(ms|milliseconds|minutes|kb|kilobytes|secs?|percent)(_|$)/);
      for (const { labels } of samples) for (const label of Object.keys(labels)) expect(label).toMatch(/^[a-z]+$/);
    }
  });

  it.skipIf(promtool === undefined)(
    promtool === undefined
      ? 'passes promtool check metrics (skipped: promtool is not installed)'
      : 'passes promtool check metrics',
    async () => {
      await using app = await createTestApp(AppModule).start();
      await app.connect(Echo);
      const { text } = await scrape(app);
      const lint = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
      expect(lint.stderr).toBe('');
      expect(lint.stdout).toBe('');
      expect(lint.status).toBe(0);
    },
  );
});
