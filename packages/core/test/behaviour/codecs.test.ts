// The codecs in a whole application, over a real socket.

import {
  type Connection,
  delimited,
  FrameTooLongError,
  fixed,
  InvalidMessageError,
  json,
  lengthPrefixed,
  lines,
  OnConnection,
  OnData,
  OnError,
  Reagent,
  text,
} from '@reagent/core';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { leave } from '../support/leave.js';
import { Mailbox } from '../support/mailbox.js';
import { overEveryTransport } from './transports.js';

overEveryTransport('codecs', ({ start }) => {
  it('answer lines, also the last one without an end, from a client that half-closes', async () => {
    @Reagent({ codec: lines() })
    class Echo {
      @OnData()
      async echo(conn: Connection<string>, line: string) {
        await undefined;
        conn.send(line.toUpperCase());
      }
    }

    await using app = await start(Echo);
    const client = await app.connect(Echo);
    await client.send('one\r\ntwo\nthree');
    await client.end();
    await client.receive('ONE\nTWO\nTHREE\n');
    expect(await client.closed()).toBe('end');
  });

  it('let lines and counted blocks be read by turns', async () => {
    @Reagent({ codec: lines({ delimiter: '\r\n' }) })
    class Store {
      @OnConnection()
      async handle(conn: Connection<string>) {
        const blocks = new Map<string, Buffer>();
        for await (const line of conn) {
          const [command, key = '', size] = line.split(' ');
          if (command === 'set') {
            blocks.set(key, (await conn.recv(Number(size))) ?? Buffer.alloc(0));
            await conn.recv(2);
            conn.send('STORED');
          } else {
            conn.send(`VALUE ${blocks.get(key)?.toString('hex')}`);
          }
        }
      }
    }

    await using app = await start(Store);
    const client = await app.connect(Store);
    const request = 'set a 5\r\n\r\n\r\n!\r\nget a\r\nset b 0\r\n\r\nget b\r\n';
    const answer = 'STORED\r\nVALUE 0d0a0d0a21\r\nSTORED\r\nVALUE \r\n';
    await client.send(request);
    await client.receive(answer);
    for (const byte of request) await client.send(byte);
    await client.receive(answer);
  });

  it('may be replaced by a handler: the very next byte is for the new one, also if it has arrived already', async () => {
    @Reagent({ codec: lines() })
    class Upgrading {
      @OnConnection()
      async handle(conn: Connection<string | Buffer>) {
        if ((await conn.recv()) !== 'binary') return;
        conn.codec = lengthPrefixed({ bytes: 1 });
        conn.send((await conn.recv()) ?? 'nothing');
        conn.codec = fixed(2);
        conn.send((await conn.recv()) ?? 'nothing');
        conn.codec = lines();
        conn.send((await conn.recv()) ?? 'nothing');
      }
    }

    await using app = await start(Upgrading);
    const input = Buffer.from('binary\n\x03a\ncd\nlast\n');
    for (let cut = 0; cut < input.length; cut++) {
      const client = await app.connect(Upgrading);
      await client.send(input.subarray(0, cut));
      await client.send(input.subarray(cut));
      await client.receive('\x03a\ncd\nlast\n');
      await leave(client);
    }
  });

  it('may be replaced by @OnData between two messages of one chunk', async () => {
    @Reagent({ codec: lines() })
    class Switching {
      @OnData()
      message(conn: Connection<string>, message: string) {
        conn.send(`<${message}>`);
        if (message === 'nul') conn.codec = delimited('\0').pipe(text());
        if (message === 'lf') conn.codec = lines();
      }
    }

    await using app = await start(Switching);
    const client = await app.connect(Switching);
    await client.send('a\nnul\nb\nc\0lf\0d\ne\0f\n');
    await client.receive('<a>\n<nul>\n<b\nc>\0<lf>\0<d>\n<e\0f>\n');
  });

  it('give a handler validated messages, and @OnError the issues of what was refused', async () => {
    const Request = z.object({ id: z.int(), tags: z.array(z.string()) });
    type Request = z.infer<typeof Request>;
    const errors = new Mailbox<Error>();

    @Reagent({ codec: lines().pipe(json(Request)) })
    class Service {
      @OnData()
      serve(conn: Connection<Request>, { id, tags }: Request) {
        conn.send({ id, count: tags.length });
      }

      @OnError()
      failed(conn: Connection<Request>, error: Error) {
        if (error instanceof InvalidMessageError) conn.send({ error: error.issues.map(({ path }) => path) });
        errors.put(error);
      }
    }

    await using app = await start(Service);
    const client = await app.connect(Service);
    await client.send('{"id":1,"tags":["x"],"more":0}\n{"id":2,"tags":["x",5]}\n{"id":3,"tags":[]}\n');
    await client.receive('{"id":1,"count":1}\n{"error":[["tags",1]]}\n');
    await leave(client);
    expect(await errors.take()).toBeInstanceOf(InvalidMessageError);
    const other = await app.connect(Service);
    await other.send('{"id":1,"tags":[]}\n');
    await other.receive('{"id":1,"count":0}\n');
  });

  it('close a connection that announces too much, and no other', async () => {
    const errors = new Mailbox<Error>();

    @Reagent({ codec: lengthPrefixed({ bytes: 4, maxLength: 1_000 }) })
    class Frames {
      @OnData()
      echo(conn: Connection, frame: Buffer) {
        conn.send(frame);
      }

      @OnError()
      failed(_conn: Connection, error: Error) {
        errors.put(error);
      }
    }

    await using app = await start(Frames);
    const [hostile, other] = [await app.connect(Frames), await app.connect(Frames)];
    await hostile.send(Buffer.from([0, 0, 0, 1, 7, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3]));
    await hostile.receive(Buffer.from([0, 0, 0, 1, 7]));
    await leave(hostile);
    expect(await errors.take()).toEqual(new FrameTooLongError(1_000));
    await other.send(Buffer.from([0, 0, 0, 1, 8]));
    await other.receive(Buffer.from([0, 0, 0, 1, 8]));
  });
});
