// What the guide's page on telemetry says is so: its tables are complete, and its programs do what it says of them.

import { readFileSync } from 'node:fs';
import { type ChannelMessages, channelNames } from '@reagent/core';
import { TestClient } from '@reagent/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Collector } from './support/collector.js';
import { GuidePrograms } from './support/guide-programs.js';
import { leave } from './support/leave.js';

/** Milliseconds that it may take to compile the page's programs, or to run one. */
const LONG = 120_000;

const page = readFileSync(new URL('../../../docs/telemetry.md', import.meta.url), 'utf8');
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.slice(2).split(' |'));

describe('the page', () => {
  it('has all channels in its table', () => {
    const documented = rows.flatMap(([name = '']) => /^`(reagent:[\w:]+)`$/.exec(name)?.[1] ?? []);
    expect(documented.sort()).toEqual([...channelNames].sort());
  });

  it('has all fields of each', () => {
    for (const [name = '', , cell = ''] of rows) {
      const channel = /^`(reagent:[\w:]+)`$/.exec(name)?.[1] as keyof typeof fields | undefined;
      if (channel === undefined) continue;
      const documented = [...cell.replaceAll(/\(.*?\)/g, '').matchAll(/`(\w+)`/g)].map(([, field]) => field);
      expect(documented, channel).toEqual(Object.keys(fields[channel]));
    }
  });
});

/** Checked by the compiler to be all of them. */
const fields: { readonly [Name in keyof ChannelMessages]: Readonly<Record<keyof ChannelMessages[Name], true>> } = {
  'reagent:listener:status': { listener: true, status: true, previous: true },
  'reagent:listener:alarm': { listener: true, threshold: true, connections: true },
  'reagent:certificates:reload': { owner: true, certificate: true, error: true },
  'reagent:connection:rejected': { listener: true, reason: true, remote: true, error: true, waited: true },
  'reagent:connection:handshake': {
    listener: true,
    connection: true,
    remote: true,
    duration: true,
    resumed: true,
    protocol: true,
    cipher: true,
    serverName: true,
    alpnProtocol: true,
    failure: true,
    error: true,
  },
  'reagent:connection:open': { listener: true, connection: true, waited: true },
  'reagent:connection:error': { listener: true, connection: true, error: true },
  'reagent:connection:close': { listener: true, connection: true, reason: true },
  'reagent:worker:status': { id: true, pid: true, status: true, code: true, signal: true },
};

describe('the programs', () => {
  let programs: GuidePrograms;

  beforeAll(async () => {
    programs = GuidePrograms.compile('docs/telemetry.md');
  }, LONG);

  afterAll(() => programs[Symbol.dispose]());

  it('with OpenTelemetry sends spans and metrics to a collector', { timeout: LONG }, async () => {
    await using collector = await Collector.start();
    await using program = programs.start('main.ts', { PORT: '0', OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
    const [, port] = await program.wrote(/listening listener=Shop .*port (\d+)/);
    const connect = () => TestClient.connect({ port: Number(port) });

    const buyer = await connect();
    await buyer.send('apple\n');
    expect(await buyer.line()).toBe('5');
    await buyer.send('pear\n');
    expect(await buyer.line()).toBe('4');
    const buyerPort = buyer.localPort;
    await buyer.end();
    await leave(buyer);
    const fool = await connect();
    await fool.send('\n');
    await leave(fool);
    expect(await program.terminate(), program.output).toBe(0);

    const { spans } = collector;
    expect(new Set(spans.map(({ service }) => service))).toEqual(new Set(['shop']));
    const named = (name: string) => spans.filter((span) => span.name === name);

    // A span for each connection, which is the root of its trace.
    const connections = named('Shop connection');
    expect(connections).toHaveLength(2);
    expect(connections.map(({ parent }) => parent)).toEqual([undefined, undefined]);
    expect(new Set(connections.map(({ trace }) => trace)).size).toBe(2);
    const [bought, failed] = connections;
    expect(bought).toMatchObject({
      scope: 'reagent',
      kind: 2,
      failed: false,
      attributes: {
        'reagent.listener': 'Shop',
        'reagent.connection.id': expect.any(Number),
        'client.address': expect.stringMatching(/127\.0\.0\.1$|^::1$/),
        'client.port': buyerPort,
        'server.port': Number(port),
        'reagent.close.reason': 'client',
        'reagent.bytes.received': 'apple\npear\n'.length,
        'reagent.bytes.sent': '5\n4\n'.length,
      },
    });
    expect(failed).toMatchObject({
      failed: true,
      attributes: { 'reagent.close.reason': 'error' },
      events: [
        {
          name: 'exception',
          attributes: { 'exception.type': 'RangeError', 'exception.message': 'nothing was asked for' },
        },
      ],
    });

    // Below it one for each hook, whatever happened in between.
    const asked = named('Shop data');
    expect(asked.map(({ parent, trace }) => ({ parent, trace }))).toEqual([
      { parent: bought?.id, trace: bought?.trace },
      { parent: bought?.id, trace: bought?.trace },
      { parent: failed?.id, trace: failed?.trace },
    ]);
    expect(asked.map((span) => span.failed)).toEqual([false, false, true]);
    expect(asked[0]?.attributes).toMatchObject({ 'reagent.hook': 'data' });
    for (const span of asked.slice(0, 2)) expect(span.duration).toBeGreaterThan(1);
    expect(named('Shop close').map(({ parent }) => parent)).toEqual([bought?.id, failed?.id]);

    // Below those what the handler's own code makes, after it has awaited something.
    expect(
      named('look a price up').map(({ parent, trace, scope, attributes }) => ({ parent, trace, scope, attributes })),
    ).toEqual([
      { parent: asked[0]?.id, trace: bought?.trace, scope: 'shop', attributes: { thing: 'apple' } },
      { parent: asked[1]?.id, trace: bought?.trace, scope: 'shop', attributes: { thing: 'pear' } },
    ]);
    expect(spans).toHaveLength(9);

    const value = (name: string, attributes = {}) => {
      const points = collector.points.filter((point) => point.name === name && point.service === 'shop');
      const point = points.find((one) => Object.entries(attributes).every(([key, it]) => one.attributes[key] === it));
      expect(point?.attributes, name).toMatchObject({ 'reagent.listener': 'Shop' });
      return [point?.kind, point?.value];
    };
    expect(value('reagent.connections.accepted')).toEqual(['counter', 2]);
    expect(value('reagent.connections.active')).toEqual(['gauge', 0]);
    expect(value('reagent.connections.waiting')).toEqual(['gauge', 0]);
    expect(value('reagent.connections.closed', { reason: 'client' })).toEqual(['counter', 1]);
    expect(value('reagent.connections.closed', { reason: 'error' })).toEqual(['counter', 1]);
    expect(value('reagent.connections.rejected', { reason: 'maxConnections' })).toEqual(['counter', 0]);
    expect(value('reagent.messages.received')).toEqual(['counter', 3]);
    expect(value('reagent.messages.sent')).toEqual(['counter', 2]);
    expect(value('reagent.handler.errors')).toEqual(['counter', 1]);
    expect(value('reagent.connection.wait')).toEqual(['histogram', 2]);
  });

  it('with pino logs whose call it is', { timeout: LONG }, async () => {
    await using program = programs.start('pino.ts', { PORT: '0' });
    const [, port] = await program.wrote(/"address":"port (\d+)/);
    const [one, two] = await Promise.all([1, 2].map(() => TestClient.connect({ port: Number(port) })));
    await Promise.all([one?.send('apple\n'), two?.send('pear\n')]);
    expect([await one?.line(), await two?.line()]).toEqual(['5', '4']);
    one?.destroy();
    two?.destroy();
    expect(await program.terminate(), program.output).toBe(0);

    const lines = program.output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const looking = lines.filter(({ msg }) => msg === 'looking a price up');
    expect(looking.map(({ hook, thing }) => [hook, thing]).sort()).toEqual([
      ['data', 'apple'],
      ['data', 'pear'],
    ]);
    const answered = lines.filter(({ msg }) => msg === 'answered');
    expect(answered.map(({ connection }) => connection).sort()).toEqual(
      looking.map(({ connection }) => connection).sort(),
    );
    expect(new Set(looking.map(({ connection }) => connection)).size).toBe(2);
    expect(lines.find(({ msg }) => msg === 'listening')).not.toHaveProperty('hook');
  });
});
