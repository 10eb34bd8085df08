// What flows: nothing is lost, reordered or left lying, whatever holds the flow up.

import { setImmediate as turn } from 'node:timers/promises';
import {
  bytes,
  type Codec,
  type Connection,
  OnClose,
  OnConnection,
  OnData,
  OnError,
  OnShutdown,
  OnTimeout,
  type Outgoing,
  Reagent,
} from '@reagent/core';
import { expect, it } from 'vitest';
import { Gate } from '../support/gate.js';
import { settled, until } from '../support/until.js';
import { overEveryTransport } from './transports.js';

/** More than a connection may have waiting to be sent before it is held back. */
const LARGE = 100_000;

/** Every byte is a message. */
const singleBytes: Codec<Buffer, Outgoing<Buffer>> = {
  decoder: () => ({ decode: (input) => (input.length === 0 ? undefined : input.take(1)) }),
  encode: (message, output) => output.write(message),
};

overEveryTransport('answers larger than highWaterMark', ({ start }) => {
  it('to many messages of one chunk are all given', async () => {
    @Reagent({ codec: singleBytes })
    class Expander {
      @OnData()
      answer(conn: Connection, byte: Buffer) {
        conn.send(Buffer.alloc(1_000, byte));
      }
    }
    await using app = await start(Expander);
    const client = await app.connect(Expander);
    const questions = Buffer.from(Array.from({ length: 500 }, (_, index) => index % 256));
    await client.send(questions);
    await client.receive(Buffer.concat(Array.from(questions, (byte) => Buffer.alloc(1_000, byte))));
  });

  it('to what had come while OnConnection ran are all given', async () => {
    const gate = new Gate();
    @Reagent()
    class Late {
      @OnConnection()
      open() {
        return gate.passed();
      }

      @OnData()
      answer(conn: Connection, data: Buffer) {
        conn.send(Buffer.alloc(LARGE));
        conn.send(`${data.length}`);
      }
    }
    await using app = await start(Late);
    const client = await app.connect(Late);
    // Chunks large enough to be kept apart.
    for (const sent of [10_000, 20_000]) {
      await client.send(Buffer.alloc(10_000));
      await until(() => app.listener(Late).stats().bytes.in === sent);
    }
    gate.open();
    for (const _ of [1, 2]) {
      await client.receive(LARGE);
      await client.receive('10000');
    }
  });

  it('do not keep a handler from what has come already', async () => {
    const gate = new Gate();
    @Reagent()
    class Reader {
      @OnConnection()
      async handle(conn: Connection) {
        await gate.passed();
        for (let byte = await conn.recv(1); byte !== null; byte = await conn.recv(1)) {
          conn.send(Buffer.alloc(LARGE));
          conn.send(byte);
        }
      }
    }
    await using app = await start(Reader);
    const client = await app.connect(Reader);
    await client.send('abc');
    await until(() => app.listener(Reader).stats().bytes.in === 3);
    gate.open();
    for (const byte of ['a', 'b', 'c']) {
      await client.receive(LARGE);
      await client.receive(byte);
    }
  });
});

overEveryTransport('what is sent', ({ start }) => {
  it('as texts and bytes of all sizes, in one tick and over many, comes in the order of the calls', async () => {
    const pieces = Array.from({ length: 400 }, (_, index) => {
      if (index % 3 === 0) return 'é€😀'.repeat((index * 7) % 300);
      return index % 3 === 1 ? Buffer.alloc((index * 97) % 40_000, index) : `[${index}]`;
    });
    @Reagent()
    class Sender {
      @OnData()
      async answer(conn: Connection) {
        for (const [index, piece] of pieces.entries()) {
          conn.send(piece);
          if (index % 50 === 0) await turn();
          else if (index % 7 === 0) await Promise.resolve();
          else if (index % 30 === 0) await conn.drained();
        }
        conn.close();
      }
    }
    await using app = await start(Sender);
    const client = await app.connect(Sender);
    client.pause();
    await client.send('go');
    await settled(() => app.listener(Sender).stats().bytes.out);
    client.resume();
    await client.receive(Buffer.concat(pieces.map((piece) => Buffer.from(piece as string))));
    expect(await client.closed()).toBe('end');
  });

  it('by OnTimeout, OnShutdown and OnError follows what was sent before, and by OnClose is dropped', async () => {
    let taken: boolean | undefined;
    @Reagent({ timeouts: { idle: 50 } })
    class Talker {
      @OnConnection()
      open(conn: Connection) {
        conn.send(Buffer.alloc(LARGE));
        conn.send('open ');
      }

      @OnData()
      data() {}

      @OnTimeout()
      idle(conn: Connection) {
        conn.send('timeout ');
        void app.application.stop();
        return 'keep' as const;
      }

      @OnShutdown()
      async shutdown(conn: Connection) {
        conn.send('shutdown ');
        await turn();
        throw new Error('and the end');
      }

      @OnError()
      async failed(conn: Connection, error: Error) {
        await turn();
        conn.send(error.message);
      }

      @OnClose()
      bye(conn: Connection) {
        taken = conn.send('too late');
      }
    }
    const app = await start(Talker);
    const client = await app.connect(Talker);
    await client.receive(LARGE);
    await client.receive('open timeout shutdown and the end');
    expect(await client.closed()).toBe('end');
    client.destroy();
    await app.stop();
    expect(taken).toBe(false);
    expect(client.received.length).toBe(LARGE + 'open timeout shutdown and the end'.length);
  });

  it('is all there when the client ended its side long before, and reads late', async () => {
    @Reagent()
    class Echo {
      @OnData()
      async echo(conn: Connection, data: Buffer) {
        await turn();
        conn.send(data);
      }
    }
    await using app = await start(Echo);
    const client = await app.connect(Echo);
    client.pause();
    const sent = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => (index * 31 + (index >> 8)) % 256));
    const all = client.send(sent, { timeout: 10_000 });
    const end = client.end({ timeout: 10_000 });
    await settled(() => app.listener(Echo).stats().bytes.in);
    client.resume();
    await client.receive(sent, { timeout: 10_000 });
    expect(await client.closed()).toBe('end');
    await Promise.all([all, end]);
  });
});

overEveryTransport('reading goes on', ({ start }) => {
  it('after pause() and resume(), again and again', async () => {
    let conn: Connection | undefined;
    let seen = '';
    @Reagent()
    class Echo {
      @OnData()
      echo(from: Connection, data: Buffer) {
        conn = from;
        seen += String(data);
        from.send(data);
      }
    }
    await using app = await start(Echo);
    const client = await app.connect(Echo);
    await client.send('0');
    await client.receive('0');
    for (let round = 0; round < 20; round += 1) {
      const before = seen;
      conn?.pause();
      // The first may be read all the same, but it has to wait; the second is not even read.
      await client.send('1');
      await until(() => app.listener(Echo).stats().bytes.in === before.length + 1);
      await client.send('2');
      await client.send('3');
      expect(seen).toBe(before);
      conn?.resume();
      await client.receive('123');
    }
  });

  it('after the codec was changed in the middle of a chunk, both ways', async () => {
    @Reagent()
    class Switching {
      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(`<${data}>`);
        if (String(data) === '!') conn.codec = bytes();
        else if (String(data).endsWith('?')) conn.codec = singleBytes;
      }
    }
    await using app = await start(Switching);
    const client = await app.connect(Switching);
    await client.send('whole?');
    await client.receive('<whole?>');
    await client.send('ab!cde?');
    await client.receive('<a><b><!><cde?>');
    await client.send('fg!');
    await client.receive('<f><g><!>');
    await client.send('hij');
    await client.receive('<hij>');
  });

  it('after highWaterMark was raised', async () => {
    let conn: Connection | undefined;
    let seen = 0;
    @Reagent({ options: { highWaterMark: 1 } })
    class Flood {
      @OnData()
      data(from: Connection, data: Buffer) {
        conn = from;
        seen += data.length;
        from.send(Buffer.alloc(16 * 1024 * 1024));
      }
    }
    await using app = await start(Flood);
    const client = await app.connect(Flood);
    client.pause();
    await client.send('1');
    await until(() => seen === 1);
    await client.send('2');
    await settled(() => seen);
    expect(seen).toBe(1);
    conn?.setOptions({ highWaterMark: 32 * 1024 * 1024 });
    await until(() => seen === 2);
    client.reset();
  });

  it("after shutdown('read') to the client's end, and no hook is called for it", async () => {
    const seen: string[] = [];
    @Reagent()
    class Deaf {
      @OnData()
      data(conn: Connection, data: Buffer) {
        seen.push(String(data));
        conn.shutdown('read');
        conn.send('enough');
      }

      @OnClose()
      bye() {
        seen.push('closed');
      }
    }
    await using app = await start(Deaf);
    const client = await app.connect(Deaf);
    await client.send('one');
    await client.receive('enough');
    await client.send(Buffer.alloc(2_000_000));
    await client.end();
    expect(await client.closed()).toBe('end');
    await until(() => seen.includes('closed'));
    expect(seen).toEqual(['one', 'closed']);
  });
});
