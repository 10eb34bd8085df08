// What is told on the channels of node:diagnostics_channel, and when.

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { writeFile } from 'node:fs/promises';
import {
  type CloseEvent,
  type CloseReason,
  ConfigurationError,
  type Connection,
  channelNames,
  type Incoming,
  Listener,
  lines,
  OnAccept,
  OnClose,
  OnConnection,
  OnData,
  OnError,
  type OpenEvent,
  ProxyHeaderError,
  proxyHeader,
  Reagent,
  silentLogger,
  start,
  TimeoutError,
  TlsError,
} from '@reagent/core';
import { certificates, createTestApp, stalledHandshake, TestClient } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { ChannelLog } from './support/channel-log.js';
import { Gate } from './support/gate.js';
import { leave } from './support/leave.js';
import { until } from './support/until.js';

const pki = await certificates();
const { server } = pki;
const ca = pki.ca.cert;

/** Answers lines; some of them mean something. */
@Reagent({ port: 0, codec: lines() })
class Echo {
  @OnConnection()
  hello(conn: Connection<string>) {
    conn.send('hello');
  }

  @OnData()
  async line(conn: Connection<string>, line: string) {
    if (line === 'fail') throw new RangeError('no such thing');
    if (line === 'quit') conn.close();
    else if (line === 'starttls') await conn.startTls(server);
    else conn.send(line);
  }

  @OnError()
  error() {}

  @OnClose()
  close() {}
}

const own = { port: expect.any(Number), family: 'IPv4', address: '127.0.0.1' } as const;

describe('the life of a connection', () => {
  it('is told in the order in which it goes', async () => {
    using log = new ChannelLog('Echo');
    await using app = await createTestApp(Echo).start();
    const client = await app.connect(Echo);
    await client.line();
    await client.send('hi\n');
    await client.line();
    await client.end();
    await leave(client);
    await app.stop();
    expect(log.told).toEqual([
      'status',
      'open',
      'connection:start',
      'connection:end',
      'data:start',
      'data:end',
      'data:asyncStart',
      'data:asyncEnd',
      'close',
      'close:start',
      'close:end',
      'status',
      'status',
    ]);
  });

  it('has an error between the hook that threw it and the one that is told of it', async () => {
    using log = new ChannelLog('Echo');
    await using app = await createTestApp(Echo).start();
    const client = await app.connect(Echo);
    await client.line();
    await client.send('fail\n');
    await leave(client);
    await log.last('reagent:connection:close');
    expect(log.told.slice(log.told.indexOf('data:start'))).toEqual([
      'data:start',
      'data:end',
      'data:error',
      'data:asyncStart',
      'data:asyncEnd',
      'error',
      'error:start',
      'error:end',
      'close',
      'close:start',
      'close:end',
    ]);
  });

  it('begins behind a PROXY header with @OnAccept, and over TLS with the handshake', async () => {
    @Reagent({ port: 0, proxyProtocol: true, secure: server })
    class Behind {
      @OnAccept()
      async admit() {}

      @OnData()
      data() {}
    }

    using log = new ChannelLog('Behind');
    await using app = await createTestApp(Behind).start();
    const header = proxyHeader({
      source: { address: '192.0.2.7', port: 4711 },
      destination: { address: '127.0.0.1', port: 443 },
    });
    await app.connect(Behind, { secure: { ca }, proxy: header });
    const { connection } = await log.last('reagent:connection:open');
    expect(log.told).toEqual([
      'status',
      'accept:start',
      'accept:end',
      'accept:asyncStart',
      'accept:asyncEnd',
      'handshake',
      'open',
    ]);
    expect(log.of('reagent:connection:handshake')[0]?.remote).toEqual(connection.remote);
    expect(connection.remote).toMatchObject({ address: '192.0.2.7', port: 4711 });
  });
});

describe('reagent:connection:open and :close', () => {
  it('have the listener, the connection, how long it has waited, and why it closed', async () => {
    using log = new ChannelLog('Echo');
    await using app = await createTestApp(Echo).start();
    const client = await app.connect(Echo);
    const opened = await log.last('reagent:connection:open');
    expect(opened).toEqual({
      listener: app.listener(Echo),
      connection: [...app.listener(Echo).connections][0],
      waited: expect.any(Number),
    });
    expect(opened.waited).toBeGreaterThanOrEqual(0);
    await client.send('quit\n');
    await leave(client);
    const closed = await log.last('reagent:connection:close');
    expect(closed).toEqual({
      listener: app.listener(Echo),
      connection: opened.connection,
      reason: { kind: 'server' } satisfies CloseReason,
    });
    expect(closed.connection.bytesRead).toBe('quit\n'.length);
  });

  it('come in pairs, and with the error, where the owner of a connection cannot be made', async () => {
    @Reagent({ port: 0, scope: 'connection' })
    class Unmade {
      constructor(readonly listener: Listener) {
        throw new RangeError(`not at ${listener.name}`);
      }

      @OnData()
      data() {}
    }

    using log = new ChannelLog('Unmade');
    await using app = await createTestApp(Unmade).start();
    expect(await (await app.connect(Unmade)).closed()).toBe('reset');
    await log.last('reagent:connection:close');
    expect(log.told).toEqual(['status', 'open', 'error', 'close']);
    const [failed] = log.of('reagent:connection:error');
    expect(failed?.error.message).toMatch('not at Unmade');
    expect(log.of('reagent:connection:close')[0]).toMatchObject({ reason: { kind: 'error', error: failed?.error } });
  });

  it('tell of the wait for room', async () => {
    using log = new ChannelLog('Echo');
    await using app = await createTestApp(Echo, { descriptors: { Echo: { maxConnections: 1 } } }).start();
    const first = await app.connect(Echo);
    await first.line();
    const second = await app.connect(Echo);
    await until(() => app.listener(Echo).stats().connections.waiting === 1);
    const since = performance.now();
    await until(() => performance.now() - since > 20);
    first.reset();
    await second.line();
    const { waited = 0 } = await log.last('reagent:connection:open', 2);
    expect(waited).toBeGreaterThan(20);
  });

  it('tell no wait of those who came before anybody wanted to know', async () => {
    const gate = new Gate();

    @Reagent({ port: 0, host: '127.0.0.1' })
    class Early {
      @OnAccept()
      admit() {
        return gate.passed();
      }

      @OnData()
      data() {}
    }

    // The test kit would want to know.
    await using app = await start(Early, {}, { logger: silentLogger, signals: false });
    await using _client = await TestClient.connect({ port: app.listener(Early).port });
    await until(() => gate.waiting === 1);
    using log = new ChannelLog('Early');
    gate.open();
    expect((await log.last('reagent:connection:open')).waited).toBe(undefined);
  });
});

describe('reagent:connection:error', () => {
  it('has what @OnError gets', async () => {
    using log = new ChannelLog('Echo');
    await using app = await createTestApp(Echo).start();
    const client = await app.connect(Echo);
    await client.send('fail\n');
    await leave(client);
    await log.last('reagent:connection:close');
    expect(log.of('reagent:connection:error')).toEqual([
      {
        listener: app.listener(Echo),
        connection: log.of('reagent:connection:open')[0]?.connection,
        error: new RangeError('no such thing'),
      },
    ]);
  });
});

describe('reagent:connection:rejected', () => {
  @Reagent({ port: 0 })
  class Gated {
    @OnAccept()
    async admit(incoming: Incoming) {
      if (incoming.remote.address === '127.0.0.2') incoming.reject();
      if (incoming.remote.address === '127.0.0.3') throw new RangeError('not you');
    }

    @OnData()
    data() {}
  }

  it.each([
    ['127.0.0.2', undefined],
    ['127.0.0.3', new RangeError('not you')],
  ])('has the reason, who it was and what @OnAccept threw: %s', async (localAddress, error) => {
    using log = new ChannelLog('Gated');
    await using app = await createTestApp(Gated).start();
    await (await app.connect(Gated, { localAddress })).closed();
    expect(await log.last('reagent:connection:rejected')).toEqual({
      listener: app.listener(Gated),
      reason: 'accept',
      remote: { ...own, address: localAddress },
      error,
      waited: expect.any(Number),
    });
    expect(log.told).not.toContain('open');
  });

  it('has what was wrong with a PROXY header', async () => {
    using log = new ChannelLog('Gated');
    await using app = await createTestApp(Gated, { descriptors: { Gated: { proxyProtocol: true } } }).start();
    const client = await app.connect(Gated, { proxy: Buffer.from('GET / HTTP/1.1\r\n\r\n') });
    await leave(client);
    expect(await log.last('reagent:connection:rejected')).toMatchObject({
      reason: 'proxyHeader',
      error: expect.any(ProxyHeaderError),
      remote: own,
    });
  });

  it('comes at once where there is no room to wait, and names those who gave up waiting', async () => {
    using log = new ChannelLog('Gated');
    await using app = await createTestApp(Gated, {
      descriptors: { Gated: { maxConnections: 1, maxWaiting: 1 } },
    }).start();
    await app.connect(Gated);
    await log.last('reagent:connection:open');
    const waiting = await app.connect(Gated);
    await until(() => app.listener(Gated).stats().connections.waiting === 1);
    await (await app.connect(Gated)).closed();
    expect(await log.last('reagent:connection:rejected')).toMatchObject({
      reason: 'maxConnections',
      error: undefined,
      waited: expect.any(Number),
    });
    waiting.reset();
    const gone = await log.last('reagent:connection:rejected', 2);
    expect(gone).toMatchObject({ reason: 'client', error: undefined });
    expect(gone.waited).toBeGreaterThan(0);
  });
});

describe('reagent:connection:handshake', () => {
  @Reagent({ port: 0, secure: { ...server, alpn: ['echo/1'] } })
  class Secret {
    @OnData()
    echo(conn: Connection, data: Buffer) {
      conn.send(data);
    }
  }

  it('has what was agreed upon', async () => {
    using log = new ChannelLog('Secret');
    await using app = await createTestApp(Secret).start();
    await app.connect(Secret, { secure: { ca, servername: 'localhost', alpn: ['echo/1'] } });
    const handshake = await log.last('reagent:connection:handshake');
    expect(handshake).toEqual({
      listener: app.listener(Secret),
      connection: undefined,
      remote: own,
      duration: expect.any(Number),
      resumed: false,
      protocol: 'TLSv1.3',
      cipher: expect.stringMatching(/^TLS_AES/),
      serverName: 'localhost',
      alpnProtocol: 'echo/1',
      failure: undefined,
      error: undefined,
    });
    expect(handshake.duration).toBeGreaterThan(0);
  });

  it('tells a session that was resumed', async () => {
    using log = new ChannelLog('Secret');
    await using app = await createTestApp(Secret).start();
    const first = await app.connect(Secret, { secure: { ca, maxVersion: 'TLSv1.2' } });
    await first.send('hi');
    const session = await first.nextSession();
    await first.end();
    await app.connect(Secret, { secure: { ca, maxVersion: 'TLSv1.2', session } });
    expect(await log.last('reagent:connection:handshake', 2)).toMatchObject({ resumed: true, protocol: 'TLSv1.2' });
  });

  it('has why it has failed, and comes before the rejection', async () => {
    using log = new ChannelLog('Secret');
    await using app = await createTestApp(Secret).start();
    const client = await app.connect(Secret, { secure: false });
    await client.send('this is no TLS\r\n');
    await leave(client);
    const rejected = await log.last('reagent:connection:rejected');
    const [handshake] = log.of('reagent:connection:handshake');
    expect(handshake).toEqual({
      listener: app.listener(Secret),
      connection: undefined,
      remote: own,
      duration: expect.any(Number),
      resumed: false,
      protocol: undefined,
      cipher: undefined,
      serverName: undefined,
      alpnProtocol: undefined,
      failure: 'notTls',
      error: expect.any(TlsError),
    });
    expect(rejected).toMatchObject({ reason: 'handshake', error: handshake?.error });
    expect(log.told).toEqual(['status', 'handshake', 'rejected']);
  });

  it('tells one that takes too long', async () => {
    using log = new ChannelLog('Secret');
    await using app = await createTestApp(Secret, { descriptors: { Secret: { timeouts: { handshake: 50 } } } }).start();
    await (await stalledHandshake(app.listener(Secret))).closed();
    expect(await log.last('reagent:connection:handshake')).toMatchObject({
      failure: 'timeout',
      error: expect.any(TimeoutError),
    });
  });

  it('tells of startTls(), with the connection, between its hooks', async () => {
    using log = new ChannelLog('Echo');
    await using app = await createTestApp(Echo).start();
    const client = await app.connect(Echo);
    await client.line();
    await client.send('starttls\n');
    await client.startTls({ ca });
    await client.send('hi\n');
    await client.line();
    await client.end();
    await leave(client);
    await log.last('reagent:connection:close');
    const handshake = await log.last('reagent:connection:handshake');
    expect(handshake).toMatchObject({
      connection: log.of('reagent:connection:open')[0]?.connection,
      remote: own,
      protocol: 'TLSv1.3',
      failure: undefined,
    });
    expect(log.told.slice(log.told.indexOf('data:start'), log.told.indexOf('data:start') + 6)).toEqual([
      'data:start',
      'data:end',
      'handshake',
      'data:asyncStart',
      'data:asyncEnd',
      'data:start',
    ]);
  });

  it('tells of startTls() that has failed, before the error', async () => {
    using log = new ChannelLog('Echo');
    await using app = await createTestApp(Echo).start();
    const client = await app.connect(Echo);
    await client.line();
    await client.send('starttls\nplain text that somebody has put in front\n');
    await leave(client);
    await log.last('reagent:connection:close');
    const [handshake] = log.of('reagent:connection:handshake');
    expect(handshake).toMatchObject({ failure: 'plaintext', error: expect.any(TlsError) });
    expect(handshake?.connection).toBe(log.of('reagent:connection:open')[0]?.connection);
    expect(log.of('reagent:connection:error')[0]?.error).toBe(handshake?.error);
    expect(log.told.indexOf('handshake')).toBeLessThan(log.told.indexOf('error'));
  });
});

describe('reagent:listener:status', () => {
  it('tells each change, and what it was before', async () => {
    using log = new ChannelLog('Echo');
    await using app = await createTestApp(Echo).start();
    const listener = app.listener(Echo);
    const { port } = listener;
    await listener.suspend();
    await listener.resume();
    await app.stop();
    expect(log.of('reagent:listener:status')).toEqual(
      [
        ['starting', 'listening'],
        ['listening', 'suspended'],
        ['suspended', 'listening'],
        ['listening', 'draining'],
        ['draining', 'stopped'],
      ].map(([previous, status]) => ({ listener, status, previous })),
    );
    expect(listener.port).toBe(port);
  });

  it('is the last that is told of a listener', async () => {
    using log = new ChannelLog('Echo');
    const app = await createTestApp(Echo).start();
    for (const talk of ['quit\n', 'fail\n', 'stay\n']) await (await app.connect(Echo)).send(talk);
    await until(() => log.of('reagent:connection:close').length === 2);
    await app.stop({ timeout: 10 }).catch(() => {});
    expect(log.of('reagent:listener:status').at(-1)?.status).toBe('stopped');
    const atTheEnd = log.told.length;
    expect(log.told.at(-1)).toBe('status');
    await new Promise((resolve) => setImmediate(resolve));
    expect(log.told).toHaveLength(atTheEnd);
  });
});

describe('reagent:listener:alarm', () => {
  it('has the threshold and the number', async () => {
    using log = new ChannelLog('Echo');
    await using app = await createTestApp(Echo, {
      descriptors: { Echo: { alarms: [{ connections: 2, cooldown: 60_000 }] } },
    }).start();
    await app.connect(Echo);
    await app.connect(Echo);
    await app.connect(Echo);
    await until(() => app.listener(Echo).stats().connections.active === 3);
    expect(log.of('reagent:listener:alarm')).toEqual([{ listener: app.listener(Echo), threshold: 2, connections: 2 }]);
  });
});

describe('reagent:certificates:reload', () => {
  it('has the new certificate, or what is wrong with it', async () => {
    await using files = await pki.files();

    @Reagent({ port: 0, secure: files.server })
    class Renewed {
      @OnData()
      data() {}
    }

    using log = new ChannelLog('Renewed');
    await using app = await createTestApp(Renewed).start();
    const before = app.listener(Renewed).cert;
    await files.write('server', await pki.for('localhost'));
    await app.application.reload();
    const renewed = await log.last('reagent:certificates:reload');
    expect(renewed).toEqual({ owner: 'Renewed', certificate: app.listener(Renewed).cert, error: undefined });
    expect(renewed.certificate?.fingerprint256).not.toBe(before?.fingerprint256);

    await writeFile(files.server.key, 'no key');
    await expect(app.listener(Renewed).reloadCertificates()).rejects.toThrow(ConfigurationError);
    const refused = await log.last('reagent:certificates:reload', 2);
    expect(refused).toEqual({
      owner: 'Renewed',
      certificate: renewed.certificate,
      error: expect.any(ConfigurationError),
    });
  });
});

describe('subscribers', () => {
  it('are told at once, all of them, in the order in which they came', async () => {
    const heard: string[] = [];
    const first = () => heard.push('first');
    const second = (message: unknown) => {
      heard.push(`second, of ${(message as OpenEvent).connection.listener.connections.size}`);
    };
    subscribe('reagent:connection:open', first);
    subscribe('reagent:connection:open', second);
    await using app = await createTestApp(Echo).start();
    await (await app.connect(Echo)).line();
    unsubscribe('reagent:connection:open', first);
    await (await app.connect(Echo)).line();
    unsubscribe('reagent:connection:open', second);
    await (await app.connect(Echo)).line();
    expect(heard).toEqual(['first', 'second, of 0', 'second, of 1']);
  });

  it('may leave while they are told', async () => {
    const heard: CloseReason[] = [];
    const once = (message: unknown) => {
      heard.push((message as CloseEvent).reason);
      unsubscribe('reagent:connection:close', once);
    };
    subscribe('reagent:connection:close', once);
    using log = new ChannelLog('Echo');
    await using app = await createTestApp(Echo).start();
    for (let visit = 1; visit <= 2; visit++) {
      const client = await app.connect(Echo);
      await client.send('quit\n');
      await leave(client);
      await log.last('reagent:connection:close', visit);
    }
    expect(heard).toEqual([{ kind: 'server' }]);
  });

  it('that throw do no harm to the connection: it is thrown again outside of it', async () => {
    const thrown: unknown[] = [];
    // The runner would take it for a failure of the test.
    const runners = process.rawListeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => thrown.push(error));
    const failing = () => {
      throw new RangeError('a bad subscriber');
    };
    for (const name of channelNames) subscribe(name, failing);
    try {
      await using app = await createTestApp(Echo).start();
      const client = await app.connect(Echo);
      await client.line();
      await client.send('hi\n');
      expect(await client.line()).toBe('hi');
      await client.end();
      expect(await leave(client)).toBe('end');
    } finally {
      for (const name of channelNames) unsubscribe(name, failing);
      process.removeAllListeners('uncaughtException');
      for (const runner of runners) process.on('uncaughtException', runner as () => void);
    }
    // listening, open, close, draining, stopped
    expect(thrown).toEqual(Array(5).fill(new RangeError('a bad subscriber')));
  });
});
