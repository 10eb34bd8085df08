import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { Readable, Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type CloseReason, Connection, OnClose, OnConnection, OnData, OnShutdown, Reagent } from '@reagent/core';
import { createTestApp } from '@reagent/testing';
import { Aedes } from 'aedes';
import { connectAsync } from 'mqtt';
import { afterEach, describe, expect, it } from 'vitest';
import { Mailbox } from './support/mailbox.js';

const MEBIBYTE = 1_048_576;

describe('conn.stream', () => {
  it('gives what comes and sends what is written, through a pipeline that outlives the end of the input', async () => {
    const closed = new Mailbox<CloseReason>();

    @Reagent({ port: 0 })
    class Upper {
      @OnConnection()
      async handle(conn: Connection) {
        const upper = new Transform({
          transform: (chunk: Buffer, _encoding, done) => done(null, String(chunk).toUpperCase()),
          flush: (done) => done(null, '.'),
        });
        await pipeline(conn.stream, upper, conn.stream);
      }

      @OnClose()
      bye(_conn: Connection, reason: CloseReason) {
        closed.put(reason);
      }
    }

    await using app = await createTestApp(Upper).start();
    const client = await app.connect(Upper);
    await client.send('one');
    await client.receive('ONE');
    await client.send('two');
    await client.end();
    await client.receive('TWO.');
    expect(await client.closed()).toBe('end');
    expect(await closed.take()).toEqual({ kind: 'client' });
  });

  it('keeps the connection when the handler has returned, until both sides have ended', async () => {
    @Reagent({ port: 0 })
    class Bridge {
      @OnConnection()
      handle(conn: Connection) {
        const { stream } = conn;
        stream.on('data', (data) => stream.write(data));
        stream.on('end', () => setImmediate(() => stream.end('bye')));
      }
    }

    await using app = await createTestApp(Bridge).start();
    const client = await app.connect(Bridge);
    await client.send('hello');
    await client.receive('hello');
    await client.end();
    await client.receive('bye');
    expect(await client.closed()).toBe('end');
  });

  it('gets what was received and not read before it was taken', async () => {
    @Reagent({ port: 0 })
    class Sniffer {
      @OnConnection()
      async handle(conn: Connection) {
        const protocol = await conn.recv({ until: '\n' });
        conn.stream.write(`${protocol}:`);
        conn.stream.pipe(conn.stream);
      }
    }

    await using app = await createTestApp(Sniffer).start();
    const client = await app.connect(Sniffer);
    await client.send('echo\nrest');
    await client.receive('echo:rest');
  });

  it('takes the input from @OnData and recv()', async () => {
    const outcome = new Mailbox<unknown>();

    @Reagent({ port: 0 })
    class Switching {
      @OnData()
      async first(conn: Connection, data: Buffer) {
        conn.stream.on('data', (later) => conn.stream.write(`stream ${later}`));
        conn.send(`hook ${data}`);
        outcome.put(await conn.recv().catch((error: unknown) => error));
      }
    }

    await using app = await createTestApp(Switching).start();
    const client = await app.connect(Switching);
    await client.send('1');
    await client.receive('hook 1');
    await client.send('2');
    await client.receive('stream 2');
    expect(await outcome.take()).toMatchObject({ code: 'ERR_REAGENT_STATE' });
  });

  it('is not read from while nobody reads the stream', async () => {
    const taken = new Mailbox<Connection>();

    @Reagent({ port: 0 })
    class Idle {
      @OnConnection()
      handle(conn: Connection) {
        void conn.stream;
        taken.put(conn);
      }
    }

    await using app = await createTestApp(Idle).start();
    const client = await app.connect(Idle);
    const conn = await taken.take();
    const flood = client.send(Buffer.alloc(64 * MEBIBYTE), { timeout: 5_000 }).catch(() => 'refused');
    await new Promise((resolve) => setTimeout(resolve, 100));
    const read = conn.bytesRead;
    expect(read).toBeLessThan(MEBIBYTE);
    conn.stream.resume();
    await flood;
  });

  it('holds a writer back while the client does not read', async () => {
    const written = new Mailbox<number>();
    const total = 64 * MEBIBYTE;

    @Reagent({ port: 0 })
    class Source {
      @OnConnection()
      async handle(conn: Connection) {
        let sent = 0;
        const chunk = Buffer.alloc(MEBIBYTE, 'x');
        while (sent < total) {
          sent += chunk.length;
          if (!conn.stream.write(chunk)) {
            written.put(sent);
            await new Promise((resolve) => conn.stream.once('drain', resolve));
          }
        }
        conn.stream.end();
      }
    }

    await using app = await createTestApp(Source).start();
    const client = await app.connect(Source);
    client.pause();
    await written.take();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(written.all.at(-1)).toBeLessThan(total / 2);
    client.resume();
    expect((await client.receive(total, { timeout: 10_000 })).length).toBe(total);
    expect(await client.closed()).toBe('end');
  });

  it('fails with the error of a client that resets, and nobody has to listen for it', async () => {
    const errors = new Mailbox<Error>();
    const taken = new Mailbox<Connection>();

    @Reagent({ port: 0 })
    class Listening {
      @OnConnection()
      handle(conn: Connection) {
        conn.stream.resume();
        conn.stream.on('close', () => errors.put(conn.stream.errored as Error));
        taken.put(conn);
      }
    }

    await using app = await createTestApp(Listening).start();
    const client = await app.connect(Listening);
    const conn = await taken.take();
    client.reset();
    expect(await errors.take()).toMatchObject({ code: 'ECONNRESET' });
    expect(await conn.closed).toMatchObject({ kind: 'reset' });
  });

  it('resets the connection when it is destroyed with an error, and closes it when without', async () => {
    @Reagent({ port: 0 })
    class Destroying {
      @OnConnection()
      handle(conn: Connection) {
        conn.stream.once('data', (data) =>
          conn.stream.destroy(String(data) === 'error' ? new Error('told to') : undefined),
        );
      }
    }

    await using app = await createTestApp(Destroying).start();
    const failing = await app.connect(Destroying);
    await failing.send('error');
    expect(await failing.closed()).toBe('reset');
    const closing = await app.connect(Destroying);
    await closing.send('plain');
    expect(await closing.closed()).toBe('end');
  });

  it('leaves what its listeners throw with this connection', async () => {
    const closed = new Mailbox<CloseReason>();

    @Reagent({ port: 0 })
    class Throwing {
      @OnConnection()
      handle(conn: Connection) {
        conn.stream.on('data', (data) => {
          if (String(data) === 'throw') throw new Error('told to');
          conn.stream.write(data);
        });
      }

      @OnClose()
      bye(_conn: Connection, reason: CloseReason) {
        closed.put(reason);
      }
    }

    await using app = await createTestApp(Throwing).start();
    const honest = await app.connect(Throwing);
    const client = await app.connect(Throwing);
    await client.send('throw');
    await client.closed();
    await honest.send('still here');
    await honest.receive('still here');
    expect(await closed.take()).toMatchObject({ kind: 'error', error: { message: 'told to' } });
  });

  it('still gets @OnShutdown told, and is closed by it', async () => {
    @Reagent({ port: 0 })
    class Streaming {
      @OnConnection()
      async handle(conn: Connection) {
        conn.stream.pipe(conn.stream);
        await conn.closed;
      }

      @OnShutdown()
      goodbye(conn: Connection) {
        conn.stream.end('going down');
      }
    }

    await using app = await createTestApp(Streaming).start();
    const client = await app.connect(Streaming);
    await client.send('x');
    await client.receive('x');
    const stopped = app.application.stop();
    await client.receive('going down');
    await client.end();
    await stopped;
  });

  describe('as web streams', () => {
    @Reagent({ port: 0 })
    class Web {
      @OnConnection()
      async handle(conn: Connection) {
        await Readable.toWeb(conn.stream).pipeTo(Writable.toWeb(conn.stream));
      }
    }

    it('gives what comes, and sends what is written', async () => {
      await using app = await createTestApp(Web).start();
      const client = await app.connect(Web);
      await client.send('over the web');
      await client.receive('over the web');
    });

    // Before version 24, Node.js ends the web stream only when the other side of the duplex has ended as well.
    const endsAlone = Number(process.versions.node.split('.')[0]) >= 24;
    it.skipIf(!endsAlone)('ends when the client does', async () => {
      await using app = await createTestApp(Web).start();
      const client = await app.connect(Web);
      await client.send('over the web');
      await client.end();
      await client.receive('over the web');
      expect(await client.closed()).toBe('end');
    });
  });
});

describe('a library on a reagent', () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });

  async function serveHttp(server: Server) {
    @Reagent({ port: 0 })
    class Http {
      @OnConnection()
      handle(conn: Connection) {
        server.emit('connection', conn.stream);
      }

      @OnShutdown()
      stop(conn: Connection) {
        conn.close();
      }
    }

    const app = await createTestApp(Http).start();
    cleanups.push(() => app.stop());
    return app.listener(Http).port;
  }

  it('serves HTTP: requests, bodies, pipelining and keep-alive', async () => {
    const server = createServer(async (request, response) => {
      const hash = createHash('sha256');
      for await (const chunk of request) hash.update(chunk);
      response.setHeader('x-peer', String(request.socket.remoteAddress));
      response.end(`${request.method} ${request.url} ${hash.digest('hex')}`);
    });
    const port = await serveHttp(server);
    const body = Buffer.alloc(3 * MEBIBYTE, 'abc');
    const digest = createHash('sha256').update(body).digest('hex');
    for (const path of ['/one', '/two']) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', body });
      expect(await response.text()).toBe(`POST ${path} ${digest}`);
      expect(response.headers.get('x-peer')).toBe('127.0.0.1');
    }
  });

  it('serves HTTP: what is pipelined is answered in order', async () => {
    const server = createServer((request, response) => {
      setImmediate(() => response.end(request.url));
    });

    @Reagent({ port: 0 })
    class Http {
      @OnConnection()
      handle(conn: Connection) {
        server.emit('connection', conn.stream);
      }
    }

    await using app = await createTestApp(Http).start();
    const client = await app.connect(Http);
    await client.send('GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(await client.closed()).toBe('end');
    expect(String(client.received)).toMatch(/\/1[\s\S]*\/2/);
  });

  it('serves MQTT with aedes: publish, subscribe, and the will of a client that vanishes', async () => {
    const broker = await Aedes.createBroker();
    cleanups.push(() => new Promise<void>((resolve) => broker.close(() => resolve())));

    @Reagent({ port: 0 })
    class Mqtt {
      @OnConnection()
      handle(conn: Connection) {
        broker.handle(conn.stream);
      }
    }

    await using app = await createTestApp(Mqtt).start();
    const url = `mqtt://127.0.0.1:${app.listener(Mqtt).port}`;
    const received = new Mailbox<string>();
    const subscriber = await connectAsync(url);
    subscriber.on('message', (topic, payload) => received.put(`${topic} ${payload}`));
    await subscriber.subscribeAsync('#', { qos: 1 });
    const publisher = await connectAsync(url, {
      reconnectPeriod: 0,
      will: { topic: 'will', payload: Buffer.from('gone'), qos: 1, retain: false },
    });
    await publisher.publishAsync('greeting', 'hello', { qos: 1 });
    expect(await received.take()).toBe('greeting hello');
    publisher.stream.destroy();
    expect(await received.take()).toBe('will gone');
    await publisher.endAsync(true);
    await subscriber.endAsync();
  });
});
