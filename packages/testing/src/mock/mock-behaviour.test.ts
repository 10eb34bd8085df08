// The same handlers, with a mock connection and with a real one: both have to see the same.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { bytes, type Codec, type Connection, fixed, json, lines, OnConnection, Reagent } from '@reagent/core';
import { expect, it } from 'vitest';
import { Mailbox } from '../../../core/test/support/mailbox.js';
import { createTestApp } from '../create-test-app.js';
import { mockConnection } from './mock-connection.js';

type AnyCodec = Codec<unknown, unknown>;
type AnyConnection = Connection<unknown, unknown>;

interface Scenario {
  /** Default: lines. */
  readonly codec?: object;
  /** What the client sends. Default: nothing. */
  readonly input?: string;
  /** Whether the client ends its side behind it, for a handler that reads to the end. Default: no. */
  readonly end?: boolean;
  /** What the handler does; what it returns is compared. */
  readonly handler: (conn: AnyConnection) => unknown;
}

interface Outcome {
  readonly seen: unknown;
  readonly sent: string;
  readonly closed: unknown;
}

/** An error as it is compared. */
async function told(attempt: () => Promise<unknown>): Promise<unknown> {
  return attempt().catch((error: Error & { code?: string }) => `${error.name} ${error.code}: ${error.message}`);
}

async function withMock({ codec = lines(), input, end = false, handler }: Scenario): Promise<Outcome> {
  const conn = mockConnection(codec as AnyCodec);
  if (input !== undefined) conn.receiveBytes(input);
  if (end) conn.end();
  const seen = await told(async () => handler(conn));
  conn.close();
  return { seen, sent: String(conn.sentBytes), closed: (await conn.closed).kind };
}

async function withSocket({ codec = lines(), input = '', end = false, handler }: Scenario): Promise<Outcome> {
  const connections = new Mailbox<AnyConnection>();
  const results = new Mailbox<unknown>();

  @Reagent({ port: 0, codec: codec as AnyCodec })
  class Handler {
    @OnConnection()
    async handle(conn: Connection<unknown>) {
      connections.put(conn as AnyConnection);
      // All that the client sends is there before, as with the mock.
      while (conn.bytesRead < input.length) await nextTurn();
      results.put(await told(async () => handler(conn as AnyConnection)));
    }
  }

  await using app = await createTestApp(Handler).start();
  const client = await app.connect(Handler);
  const left = client.closed().then(() => client.destroy());
  if (input !== '') await client.send(input);
  if (end) await client.end();
  const connection = await connections.take();
  const seen = await results.take();
  await left;
  return { seen, sent: client.received.toString(), closed: (await connection.closed).kind };
}

async function all(conn: AnyConnection): Promise<unknown[]> {
  const messages: unknown[] = [];
  for await (const message of conn) messages.push(message);
  return messages;
}

const scenarios: Readonly<Record<string, Scenario>> = {
  'messages to the end': { end: true, input: 'one\ntwo\nthree', handler: all },
  'an end without anything': { end: true, handler: all },
  'recv gives null again and again': { end: true, handler: async (conn) => [await conn.recv(), await conn.recv()] },
  'exact lengths': {
    end: true,
    codec: bytes(),
    input: 'abcdef',
    handler: async (conn) => [String(await conn.recv(2)), String(await conn.recv({ length: 4 })), await conn.recv(1)],
  },
  'a length of nothing at the end': {
    end: true,
    handler: async (conn) => [await conn.recv(), (await conn.recv(0))?.length],
  },
  'an end inside of a length': { end: true, input: 'ab', handler: (conn) => conn.recv(3) },
  'bytes up to a delimiter, then messages': {
    input: 'key: value\nrest\n',
    handler: async (conn) => [String(await conn.recv({ until: ': ' })), await conn.recv(), await conn.recv()],
  },
  'an end before the delimiter': { end: true, input: 'key', handler: (conn) => conn.recv({ until: ':' }) },
  'too much before the delimiter': {
    input: 'abcdef:',
    handler: (conn) => conn.recv({ until: ':', maxLength: 3 }),
  },
  'a line that is too long': { codec: lines({ maxLength: 3 }), input: 'abcdef\n', handler: (conn) => conn.recv() },
  'an end inside of a frame': { end: true, codec: fixed(4), input: 'abcdef', handler: all },
  'a message that is none': { codec: lines().pipe(json()), input: '{"a":1}\nnonsense\n', handler: all },
  'a break leaves the connection open': {
    input: 'one\ntwo\n',
    handler: async (conn) => {
      for await (const first of conn) {
        conn.send(first);
        break;
      }
      return conn.recv();
    },
  },
  'another codec from the next byte on': {
    end: true,
    input: 'one\ntwotwo\n',
    handler: async (conn) => {
      const first = await conn.recv();
      conn.codec = fixed(3) as AnyCodec;
      const second = String(await conn.recv());
      conn.codec = lines() as AnyCodec;
      return [first, second, await conn.recv(), await conn.recv()];
    },
  },
  'two recv at the same time': {
    handler: async (conn) => {
      const first = conn.recv();
      const second = await told(() => conn.recv());
      conn.close();
      return [await first, second];
    },
  },
  'a recv that waits too long': { handler: (conn) => conn.recv({ timeout: 5 }) },
  'a time limit that makes no sense': { handler: (conn) => conn.recv({ timeout: -1 }) },
  'a length that makes no sense': { handler: (conn) => conn.recv(1.5) },
  'a delimiter of nothing': { handler: (conn) => conn.recv({ until: '' }) },
  'nothing is sent or received after close()': {
    input: 'one\ntwo\n',
    handler: async (conn) => {
      const before = [await conn.recv(), conn.send('before')];
      conn.close();
      return [...before, conn.send('after'), await conn.recv(), await told(() => conn.sendFile('/nowhere'))];
    },
  },
  'the server closes first': { handler: (conn) => conn.close() },
  'the server resets': {
    handler: async (conn) => {
      conn.reset();
      return [conn.send('after'), await conn.recv()];
    },
  },
  'half of the connection ends': {
    input: 'one\n',
    handler: async (conn) => {
      conn.send('before');
      conn.shutdown('write');
      return [conn.send('after'), await conn.recv()];
    },
  },
  'what came before half of the connection ended': {
    end: true,
    input: 'one\ntwo\n',
    handler: async (conn) => {
      conn.shutdown('write');
      for (let turn = 0; turn < 10; turn += 1) await nextTurn();
      return [await conn.recv(), await conn.recv(), await conn.recv()];
    },
  },
  'input is dropped': {
    input: 'one\ntwo\n',
    handler: async (conn) => {
      conn.shutdown('read');
      return [conn.send('still'), await conn.recv()];
    },
  },
  'a shutdown that makes no sense': {
    handler: async (conn) => conn.shutdown('sideways' as 'read'),
  },
  'what cannot be sent': { codec: bytes(), handler: async (conn) => conn.send(17) },
  'a line that would be two': { handler: async (conn) => conn.send('one\ntwo') },
  'what cannot own a connection': { handler: async (conn) => conn.handOver(17 as unknown as object) },
  'a file that is not there': { handler: (conn) => conn.sendFile('/nowhere/at/all') },
  'no TLS, no PROXY header': {
    handler: (conn) => [
      conn.secure,
      conn.alpnProtocol,
      conn.serverName,
      conn.proxy,
      conn.peerCertificate(),
      conn.signal.aborted,
      conn.bytesRead,
    ],
  },
  'the stream has the input, and takes output': {
    end: true,
    input: 'one\ntwo\n',
    handler: async (conn) => {
      const { stream } = conn;
      const refused = await told(() => conn.recv());
      stream.write('first ');
      let read = '';
      for await (const chunk of stream) read += chunk;
      stream.end('last');
      await conn.closed;
      return [refused, read];
    },
  },
  'a stream that is destroyed closes': {
    handler: async (conn) => {
      conn.stream.destroy();
      await conn.closed;
      return conn.send('after');
    },
  },
};

for (const [name, scenario] of Object.entries(scenarios)) {
  it(`sees what a real one sees: ${name}`, async () => {
    expect(await withMock(scenario)).toEqual(await withSocket(scenario));
  });
}

it('sends files as a real one does', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'reagent-'));
  const path = join(directory, 'file');
  await writeFile(path, '0123456789');
  const scenario: Scenario = {
    handler: async (conn) => {
      conn.send('before');
      const whole = conn.sendFile(path);
      conn.send('between');
      const part = conn.sendFile(path, { offset: 2, size: 3 });
      return [
        await whole,
        await part,
        await conn.sendFile(path, { offset: 20 }).catch(() => 'too far'),
        await told(() => conn.sendFile(path, { offset: 8, size: 3 })),
        await told(() => conn.sendFile(path, { size: -1 })),
      ];
    },
  };
  expect(await withMock(scenario)).toEqual(await withSocket(scenario));
  await rm(directory, { recursive: true });
});
