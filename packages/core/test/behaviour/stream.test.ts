import { createServer } from 'node:http';
import { Readable, Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type CloseReason, Connection, OnClose, OnConnection, OnData, OnShutdown, Reagent } from '@reagent/core';
import { describe, expect, it } from 'vitest';
import { leave } from '../support/leave.js';
import { Mailbox } from '../support/mailbox.js';
import { settled } from '../support/until.js';
import { overEveryTransport } from './transports.js';

const MEBIBYTE = 1_048_576;
/** More than the kernel buffers of both sides take. */
const MUCH = 32 * MEBIBYTE;

overEveryTransport('conn.stream', ({ start, serverReset, clientReset }) => {
  it('gives what comes and sends what is written, through a pipeline that outlives the end of the input', async () => {
    const closed = new Mailbox<CloseReason>();

    @Reagent()
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

    await using app = await start(Upper);
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
    @Reagent()
    class Bridge {
      @OnConnection()
      handle(conn: Connection) {
        const { stream } = conn;
        stream.on('data', (data) => stream.write(data));
        stream.on('end', () => setImmediate(() => stream.end('bye')));
      }
    }

    await using app = await start(Bridge);
    const client = await app.connect(Bridge);
    await client.send('hello');
    await client.receive('hello');
    await client.end();
    await client.receive('bye');
    expect(await client.closed()).toBe('end');
  });

  it('gets what was received and not read before it was taken', async () => {
    @Reagent()
    class Sniffer {
      @OnConnection()
      async handle(conn: Connection) {
        const protocol = await conn.recv({ until: '\n' });
        conn.stream.write(`${protocol}:`);
        conn.stream.pipe(conn.stream);
      }
    }

    await using app = await start(Sniffer);
    const client = await app.connect(Sniffer);
    await client.send('echo\nrest');
    await client.receive('echo:rest');
  });

  it('takes the input from @OnData and recv()', async () => {
    const outcome = new Mailbox<unknown>();

    @Reagent()
    class Switching {
      @OnData()
      async first(conn: Connection, data: Buffer) {
        conn.stream.on('data', (later) => conn.stream.write(`stream ${later}`));
        conn.send(`hook ${data}`);
        outcome.put(await conn.recv().catch((error: unknown) => error));
      }
    }

    await using app = await start(Switching);
    const client = await app.connect(Switching);
    await client.send('1');
    await client.receive('hook 1');
    await client.send('2');
    await client.receive('stream 2');
    expect(await outcome.take()).toMatchObject({ code: 'ERR_REAGENT_STATE' });
    // Nobody ends its side of the stream.
    await app.stop({ timeout: 0 });
  });

  it('is not read from while nobody reads the stream', async () => {
    const taken = new Mailbox<Connection>();

    @Reagent()
    class Idle {
      @OnConnection()
      handle(conn: Connection) {
        void conn.stream;
        taken.put(conn);
      }
    }

    await using app = await start(Idle);
    const client = await app.connect(Idle);
    const conn = await taken.take();
    const flood = client.send(Buffer.alloc(MUCH), { timeout: 10_000 });
    expect(await settled(() => conn.bytesRead)).toBeLessThan(MEBIBYTE);
    conn.stream.resume();
    await flood;
    // Nobody ends its side of the stream.
    await app.stop({ timeout: 0 });
  });

  it('holds a writer back while the client does not read', async () => {
    const written = new Mailbox<number>();

    @Reagent()
    class Source {
      @OnConnection()
      async handle(conn: Connection) {
        let sent = 0;
        const chunk = Buffer.alloc(MEBIBYTE, 'x');
        while (sent < MUCH) {
          sent += chunk.length;
          if (!conn.stream.write(chunk)) {
            written.put(sent);
            await new Promise((resolve) => conn.stream.once('drain', resolve));
          }
        }
        conn.stream.end();
      }
    }

    await using app = await start(Source);
    const client = await app.connect(Source);
    client.pause();
    await written.take();
    await settled(() => written.all.length);
    expect(written.all.at(-1)).toBeLessThan(MUCH / 2);
    client.resume();
    await client.receive(MUCH, { timeout: 10_000 });
    expect(await client.closed()).toBe('end');
  });

  it('fails with the error of a client that resets, or ends where that looks like an end; nobody has to listen', async () => {
    const errors = new Mailbox<Error | null>();
    const taken = new Mailbox<Connection>();

    @Reagent()
    class Listening {
      @OnConnection()
      handle(conn: Connection) {
        conn.stream.resume();
        conn.stream.on('end', () => conn.stream.end());
        conn.stream.on('close', () => errors.put(conn.stream.errored));
        taken.put(conn);
      }
    }

    await using app = await start(Listening);
    const client = await app.connect(Listening);
    const conn = await taken.take();
    // In the turn in which a handshake ends, node:tls does not notice a reset.
    await nextTurn();
    client.reset();
    expect(await errors.take()).toEqual(clientReset.error ?? null);
    expect(await conn.closed).toEqual(clientReset);
  });

  it('resets the connection when it is destroyed with an error, and closes it when without', async () => {
    @Reagent()
    class Destroying {
      @OnConnection()
      handle(conn: Connection) {
        conn.stream.once('data', (data) =>
          conn.stream.destroy(String(data) === 'error' ? new Error('told to') : undefined),
        );
      }
    }

    await using app = await start(Destroying);
    const failing = await app.connect(Destroying);
    await failing.send('error');
    expect(await failing.closed()).toBe(serverReset);
    const closing = await app.connect(Destroying);
    await closing.send('plain');
    expect(await closing.closed()).toBe('end');
  });

  it('leaves what its listeners throw with this connection', async () => {
    const closed = new Mailbox<CloseReason>();

    @Reagent()
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

    await using app = await start(Throwing);
    const honest = await app.connect(Throwing);
    const client = await app.connect(Throwing);
    await client.send('throw');
    await leave(client);
    await honest.send('still here');
    await honest.receive('still here');
    expect(await closed.take()).toMatchObject({ kind: 'error', error: { message: 'told to' } });
    // Nobody ends its side of the stream.
    await app.stop({ timeout: 0 });
  });

  it('still gets @OnShutdown told, and is closed by it', async () => {
    @Reagent()
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

    await using app = await start(Streaming);
    const client = await app.connect(Streaming);
    await client.send('x');
    await client.receive('x');
    const stopped = app.application.stop();
    await client.receive('going down');
    await client.end();
    await stopped;
  });

  it('serves HTTP, and what is pipelined is answered in order', async () => {
    const server = createServer((request, response) => {
      setImmediate(() => response.end(request.url));
    });

    @Reagent()
    class Http {
      @OnConnection()
      handle(conn: Connection) {
        server.emit('connection', conn.stream);
      }
    }

    await using app = await start(Http);
    const client = await app.connect(Http);
    await client.send('GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(await client.closed()).toBe('end');
    expect(String(client.received)).toMatch(/\/1[\s\S]*\/2/);
  });

  describe('as web streams', () => {
    @Reagent()
    class Web {
      @OnConnection()
      async handle(conn: Connection) {
        await Readable.toWeb(conn.stream).pipeTo(Writable.toWeb(conn.stream));
      }
    }

    it('gives what comes, and sends what is written', async () => {
      await using app = await start(Web);
      const client = await app.connect(Web);
      await client.send('over the web');
      await client.receive('over the web');
      // Where the web stream does not end with the client, the handler waits for ever.
      await app.stop({ timeout: 0 });
    });

    // Before version 24, Node.js ends the web stream only when the other side of the duplex has ended as well.
    const endsAlone = Number(process.versions.node.split('.')[0]) >= 24;
    it.skipIf(!endsAlone)('ends when the client does', async () => {
      await using app = await start(Web);
      const client = await app.connect(Web);
      await client.send('over the web');
      await client.end();
      await client.receive('over the web');
      expect(await client.closed()).toBe('end');
    });
  });
});
