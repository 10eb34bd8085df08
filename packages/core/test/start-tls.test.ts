import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectSecure, type TLSSocket } from 'node:tls';
import {
  ConfigurationError,
  type Connection,
  lines,
  OnClose,
  OnConnection,
  OnData,
  OnError,
  Reagent,
  StateError,
  TimeoutError,
  TlsError,
} from '@reagent/core';
import { certificates, createTestApp, type TestApp } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { Gate } from './support/gate.js';
import { Mailbox } from './support/mailbox.js';
import { until } from './support/until.js';

const { ca, server } = await certificates();

/** Answers lines, and starts TLS when told so. */
@Reagent({ port: 0, codec: lines() })
class Push {
  readonly errors = new Mailbox<Error>();
  readonly closes = new Mailbox<string>();
  /** What `startTls` was rejected with. */
  readonly refusals = new Mailbox<unknown>();

  @OnData()
  async line(conn: Connection<string>, line: string) {
    if (line !== 'STARTTLS') {
      conn.send(`${conn.secure ? 'secret' : 'plain'} ${line}`);
      return;
    }
    conn.send('go ahead');
    try {
      await conn.startTls(server);
    } catch (error) {
      this.refusals.put(error);
      throw error;
    }
    conn.send(`welcome, ${conn.serverName}`);
  }

  @OnError()
  error(_: Connection<string>, error: Error) {
    this.errors.put(error);
  }

  @OnClose()
  close(_: Connection<string>, reason: { kind: string }) {
    this.closes.put(reason.kind);
  }
}

/** A plain client with its lines; `upgrade` puts TLS on it. */
class Caller {
  #text = '';
  #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => {});
    this.#read(socket);
  }

  static async to(app: TestApp, name: string): Promise<Caller> {
    const socket = connect(app.listener(name).port, '127.0.0.1');
    await once(socket, 'connect');
    return new Caller(socket);
  }

  get socket(): Socket {
    return this.#socket;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  send(text: string | Uint8Array): void {
    this.#socket.write(text);
  }

  async line(): Promise<string> {
    while (!this.#text.includes('\n')) await once(this.#socket, 'data');
    const end = this.#text.indexOf('\n');
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    return line;
  }

  async upgrade(): Promise<TLSSocket> {
    const plain = this.#socket;
    plain.removeAllListeners('data');
    const socket = connectSecure({ socket: plain, servername: 'localhost', ca: ca.cert });
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    this.#socket = socket;
    this.#read(socket);
    return socket;
  }

  #read(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString();
    });
  }
}

async function go(caller: Caller): Promise<void> {
  caller.send('STARTTLS\n');
  expect(await caller.line()).toBe('go ahead');
}

describe('startTls', () => {
  it('encrypts from there on, in push style, and keeps codec, owner and env', async () => {
    await using app = await createTestApp(Push).start();
    using caller = await Caller.to(app, 'Push');
    caller.send('one\n');
    expect(await caller.line()).toBe('plain one');
    const [connection] = app.listener(Push).connections;
    if (connection !== undefined) connection.env.user = 'ada';
    await go(caller);
    await caller.upgrade();
    expect(await caller.line()).toBe('welcome, localhost');
    caller.send('two\nthree\n');
    expect([await caller.line(), await caller.line()]).toEqual(['secret two', 'secret three']);
    expect(connection?.env.user).toBe('ada');
    expect(connection?.secure).toBe(true);
    expect(app.listener(Push).secure).toBe(false);
    expect(app.listener(Push).stats().tls.handshakes).toBe(1);
    expect(connection?.bytesRead).toBe('one\nSTARTTLS\n'.length + 'two\nthree\n'.length);
  });

  it('works in pull style, between two recv', async () => {
    @Reagent({ port: 0, codec: lines() })
    class Pull {
      @OnConnection()
      async handle(conn: Connection<string>) {
        for await (const line of conn) {
          conn.send(`${conn.secure} ${line}`);
          if (line !== 'STARTTLS') continue;
          await conn.startTls(server);
          conn.send('welcome');
        }
      }
    }
    await using app = await createTestApp(Pull).start();
    using caller = await Caller.to(app, 'Pull');
    caller.send('STARTTLS\n');
    expect(await caller.line()).toBe('false STARTTLS');
    await caller.upgrade();
    expect(await caller.line()).toBe('welcome');
    caller.send('one\n');
    expect(await caller.line()).toBe('true one');
  });

  it('encrypts what is sent after it, without waiting for it', async () => {
    @Reagent({ port: 0, codec: lines() })
    class Hasty {
      @OnData()
      line(conn: Connection<string>) {
        conn.send('go ahead');
        void conn.startTls(server);
        conn.send('secret');
        conn.close();
      }
    }
    await using app = await createTestApp(Hasty).start();
    using caller = await Caller.to(app, 'Hasty');
    caller.send('STARTTLS\n');
    expect(await caller.line()).toBe('go ahead');
    const socket = await caller.upgrade();
    expect(await caller.line()).toBe('secret');
    if (!socket.readableEnded) await once(socket, 'end');
  });

  it('takes a handshake that has come before it was called', async () => {
    @Reagent({ port: 0, codec: lines() })
    class Slow {
      readonly told = new Mailbox<Connection<string>>();
      readonly ready = new Gate();

      @OnConnection()
      async handle(conn: Connection<string>) {
        await conn.recv();
        conn.send('go ahead');
        await conn.drained();
        this.told.put(conn);
        // Pull style reads ahead, so what the client answers is received meanwhile.
        await this.ready.passed();
        await conn.startTls(server);
        conn.send(`welcome ${await conn.recv()}`);
      }
    }
    await using app = await createTestApp(Slow).start();
    const slow = app.resolve(Slow);
    using caller = await Caller.to(app, 'Slow');
    await go(caller);
    const upgraded = caller.upgrade();
    const conn = await slow.told.take();
    await until(() => conn.bytesRead > 'STARTTLS\n'.length);
    slow.ready.open();
    await upgraded;
    caller.send('ada\n');
    expect(await caller.line()).toBe('welcome ada');
  });
});

describe('plain text behind the command', () => {
  it.each([
    ['in the same segment', 'STARTTLS\nDELETE everything\n'],
    ['even a single byte', 'STARTTLS\n\n'],
  ])('%s ends the connection, and is never taken for input', async (_, text) => {
    await using app = await createTestApp(Push).start();
    const push = app.resolve(Push);
    using caller = await Caller.to(app, 'Push');
    caller.send(text);
    const refusal = await push.refusals.take();
    expect(refusal).toBeInstanceOf(TlsError);
    expect(refusal).toMatchObject({ failure: 'plaintext' });
    expect(await push.errors.take()).toBe(refusal);
    expect(await push.closes.take()).toBe('error');
    const stats = app.listener(Push).stats();
    expect(stats.messages.in).toBe(1);
    expect(stats.tls.failed.plaintext).toBe(1);
    expect(stats.handlerErrors).toBe(0);
  });

  it('nothing that was sent for TLS leaves without it', async () => {
    @Reagent({ port: 0, codec: lines() })
    class Hasty {
      @OnData()
      line(conn: Connection<string>) {
        void conn.startTls(server);
        conn.send('secret');
      }

      @OnError()
      error(conn: Connection<string>) {
        conn.send('secret too');
      }
    }
    await using app = await createTestApp(Hasty).start();
    const client = await app.connect(Hasty);
    await client.send('STARTTLS\nINJECTED\n');
    expect(await client.closed()).toBe('reset');
    expect(client.received.toString()).toBe('');
  });
});

describe('a handshake that does not come to an end', () => {
  it('takes its time limit and fails, where the client says nothing', async () => {
    await using app = await createTestApp(Push, { descriptors: { Push: { timeouts: { handshake: 60 } } } }).start();
    const push = app.resolve(Push);
    using caller = await Caller.to(app, 'Push');
    await go(caller);
    const refusal = await push.refusals.take();
    expect(refusal).toBeInstanceOf(TimeoutError);
    expect(refusal).toMatchObject({ step: 'handshake', timeout: 60 });
    expect(await push.errors.take()).toBe(refusal);
    expect(await push.closes.take()).toBe('timeout');
    expect(app.listener(Push).stats().tls.failed.timeout).toBe(1);
  });

  it('fails where the client goes on in plain text', async () => {
    await using app = await createTestApp(Push).start();
    const push = app.resolve(Push);
    using caller = await Caller.to(app, 'Push');
    await go(caller);
    caller.send('hello in plain text\n');
    expect(await push.refusals.take()).toMatchObject({ code: 'ERR_REAGENT_TLS' });
    expect(await push.closes.take()).toBe('error');
    expect(app.listener(Push).stats().connections.closed.error).toBe(1);
  });

  it.each(['end', 'destroy', 'resetAndDestroy'] as const)('fails where the client leaves with %s', async (leave) => {
    await using app = await createTestApp(Push).start();
    const push = app.resolve(Push);
    using caller = await Caller.to(app, 'Push');
    await go(caller);
    caller.socket[leave]();
    expect(await push.refusals.take()).toMatchObject({ failure: 'client' });
    await push.closes.take();
    await app.listener(Push).waitForConnections((open) => open === 0, { timeout: 2_000 });
  });

  it('is cut off when the application stops', async () => {
    await using app = await createTestApp(Push).start();
    using caller = await Caller.to(app, 'Push');
    await go(caller);
    await app.listener(Push).stop({ timeout: 20 });
    expect(await app.resolve(Push).closes.take()).toBe('shutdown');
  });
});

describe('startTls is refused', () => {
  @Reagent({ port: 0, codec: lines() })
  class Odd {
    readonly outcomes = new Mailbox<unknown>();

    @OnData()
    async line(conn: Connection<string>, line: string) {
      const outcome = (promise: Promise<void>) =>
        promise.then(
          () => this.outcomes.put('done'),
          (error: unknown) => this.outcomes.put(error),
        );
      if (line === 'twice') {
        const first = outcome(conn.startTls(server));
        await outcome(conn.startTls(server));
        await first;
        await outcome(conn.startTls(server));
      } else if (line === 'no options') {
        await outcome(conn.startTls());
      } else if (line === 'wrong options') {
        await outcome(conn.startTls({ cert: '/nowhere/cert.pem', key: server.key }));
      } else if (line === 'closed') {
        conn.close();
        await outcome(conn.startTls(server));
      } else if (line === 'stream') {
        void conn.stream;
        await outcome(conn.startTls(server));
      }
      if (!conn.secure) conn.send('still there');
    }
  }

  it('a second time', async () => {
    await using app = await createTestApp(Odd).start();
    const { outcomes } = app.resolve(Odd);
    using caller = await Caller.to(app, 'Odd');
    caller.send('twice\n');
    expect(await outcomes.take()).toBeInstanceOf(StateError);
    await caller.upgrade();
    expect(await outcomes.take()).toBe('done');
    expect(await outcomes.take()).toBeInstanceOf(StateError);
  });

  it.each([
    ['without options, where the application has none', 'no options', StateError],
    ['with wrong options', 'wrong options', ConfigurationError],
  ])('%s, and the connection goes on', async (_, line, errorClass) => {
    await using app = await createTestApp(Odd).start();
    using caller = await Caller.to(app, 'Odd');
    caller.send(`${line}\n`);
    expect(await app.resolve(Odd).outcomes.take()).toBeInstanceOf(errorClass);
    expect(await caller.line()).toBe('still there');
  });

  it('once the connection is closing, or its stream was taken', async () => {
    await using app = await createTestApp(Odd).start();
    const { outcomes } = app.resolve(Odd);
    using first = await Caller.to(app, 'Odd');
    first.send('closed\n');
    expect(await outcomes.take()).toMatchObject({ code: 'ERR_REAGENT_CONNECTION_CLOSED' });
    using second = await Caller.to(app, 'Odd');
    second.send('stream\n');
    expect(await outcomes.take()).toBeInstanceOf(StateError);
  });

  it('on a connection that was encrypted from its beginning', async () => {
    await using app = await createTestApp(Odd, { descriptors: { Odd: { secure: server } } }).start();
    const socket = connectSecure({
      port: app.listener(Odd).port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: ca.cert,
    });
    socket.write('no options\n');
    expect(await app.resolve(Odd).outcomes.take()).toBeInstanceOf(StateError);
    socket.destroy();
  });
});
