import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type Codec, InvalidMessageError, json, lengthPrefixed, lines, text, UnexpectedEndError } from '@reagent/core';
import { afterEach, describe, expect, it } from 'vitest';
import { TestClient, type WithCodec } from './test-client.js';
import { TestClientError } from './test-client-error.js';

const opened: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

/** A client and the server's end of its connection. */
async function pair<In, Out>(options: WithCodec<In, Out>): Promise<{ client: TestClient<In, Out>; peer: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  opened.push(() => new Promise((resolve) => server.close(resolve)));
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = await TestClient.connect({ port: (server.address() as AddressInfo).port }, options);
  const [peer] = await accepted;
  opened.push(
    () => peer.destroy(),
    () => client.destroy(),
  );
  return { client, peer };
}

async function failureOf(promise: Promise<unknown>): Promise<TestClientError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TestClientError);
  return error as TestClientError;
}

const textFrames = lengthPrefixed({ bytes: 2 }).pipe(text());

describe('messages', () => {
  it('are sent and received whole, however they are cut', async () => {
    const { client, peer } = await pair({ codec: textFrames });
    await client.send('hello');
    const [sent] = (await once(peer, 'data')) as [Buffer];
    expect(sent).toEqual(Buffer.from('\0\x05hello'));
    const message = client.recv();
    for (const byte of Buffer.from('\0\x03one')) {
      peer.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await message).toBe('one');
    peer.end(Buffer.from('\0\x03two\0\0\0\x05three'));
    expect([await client.recv(), await client.recv(), await client.recv(), await client.recv()]).toEqual([
      'two',
      '',
      'three',
      null,
    ]);
  });

  it('of the two directions may differ', async () => {
    const [incoming, outgoing] = [textFrames, lines()];
    const codec: Codec<string> = {
      decoder: () => incoming.decoder(),
      encode: (message, output) => outgoing.encode(message, output),
    };
    const { client, peer } = await pair({ codec });
    await client.send('hello');
    expect(String(await once(peer, 'data'))).toBe('hello\n');
    peer.write('\0\x02hi');
    expect(await client.recv()).toBe('hi');
  });

  it('may stand between bytes that are taken as they are', async () => {
    const { client, peer } = await pair({ codec: textFrames });
    peer.write('220 welcome\r\n\0\x03onerest\n\0\x03two\0');
    expect(await client.line()).toBe('220 welcome');
    expect(await client.recv()).toBe('one');
    expect(await client.line()).toBe('rest');
    expect(await client.recv()).toBe('two');
    peer.write('\x01!');
    expect(await client.recv()).toBe('!');
    await client.write('raw\n');
    expect(String(await once(peer, 'data'))).toBe('raw\n');
  });

  it('that a test changes leave what was received as it was', async () => {
    const { client, peer } = await pair({ codec: lengthPrefixed({ bytes: 1 }) });
    peer.write('\x03one');
    (await client.recv())?.fill(0);
    expect(client.received.toString()).toBe('\x03one');
  });
});

describe('a codec that refuses', () => {
  it('what arrived is shown with its reason and the bytes, of which none is taken', async () => {
    const { client, peer } = await pair({ codec: lines().pipe(json()) });
    peer.write('{"a":1}\n{"b":\n');
    expect(await client.recv()).toEqual({ a: 1 });
    const error = await failureOf(client.recv());
    expect(error.message).toContain('expected a message, but the codec refused what arrived: invalid message');
    expect(error.message).toContain('text "{\\"b\\":\\n"');
    expect(error.cause).toBeInstanceOf(InvalidMessageError);
    expect((await failureOf(client.recv())).cause).toBeInstanceOf(InvalidMessageError);
    expect(await client.line()).toBe('{"b":');
    peer.write('2\n');
    expect(await client.recv()).toBe(2);
  });

  it('a message to send says so, and nothing is sent', async () => {
    const { client, peer } = await pair({ codec: lengthPrefixed({ bytes: 1 }).pipe(text()) });
    const error = await failureOf(client.send('x'.repeat(256)));
    expect(error.message).toContain('expected to send a message, but the codec refused the message: ');
    expect(error.cause).toBeInstanceOf(InvalidMessageError);
    await client.send('bye');
    expect(String(await once(peer, 'data'))).toBe('\x03bye');
  });

  it('has its decoder made anew', async () => {
    const decoder = () => {
      let asked = false;
      return {
        decode: () => {
          if (asked) return 'asked again';
          asked = true;
          throw new Error('no');
        },
      };
    };
    const { client, peer } = await pair({ codec: { decoder, encode: () => {} } });
    peer.write('x');
    await failureOf(client.recv());
    await failureOf(client.recv());
  });

  it('a stream that ends inside a message', async () => {
    const { client, peer } = await pair({ codec: textFrames });
    peer.end('\0\x05hel');
    const error = await failureOf(client.recv());
    expect(error.cause).toBeInstanceOf(UnexpectedEndError);
    expect(error.message).toContain('ended inside a message, after 5 bytes');
    expect(await client.receive(5)).toHaveLength(5);
    expect(await client.recv()).toBe(null);
  });
});

it('a last message without its end is one where the codec takes it', async () => {
  const { client, peer } = await pair({ codec: lines() });
  peer.end('one\ntwo');
  expect([await client.recv(), await client.recv(), await client.recv()]).toEqual(['one', 'two', null]);
});

it('what the codec drops at the end is gone', async () => {
  const codec: Codec<string> = {
    decoder: () => ({ decode: () => undefined, end: () => undefined }),
    encode: () => {},
  };
  const { client, peer } = await pair({ codec });
  peer.end('x');
  expect(await client.recv()).toBe(null);
  await client.expectNothing(1);
});

it('a message that does not come has a time limit', async () => {
  const { client, peer } = await pair({ codec: textFrames });
  peer.write('\0\x05hel');
  const error = await failureOf(client.recv({ timeout: 50 }));
  expect(error.message).toContain('expected a message, but not within 50 ms');
  peer.write('lo');
  expect(await client.recv()).toBe('hello');
});
