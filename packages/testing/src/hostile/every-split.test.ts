import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import {
  type Connection,
  delimited,
  type Incoming,
  lines,
  Module,
  OnAccept,
  OnConnection,
  OnData,
  OnShutdown,
  proxyHeader,
  Reagent,
  text,
} from '@reagent/core';
import { describe, expect, it, vi } from 'vitest';
import { certificates } from '../certificates/certificates.js';
import { TestClient } from '../client/test-client.js';
import { createTestApp } from '../create-test-app.js';
import { clientHello } from './client-hello.js';
import { everySplit } from './every-split.js';
import type { Split } from './split.js';
import { SplitError } from './split-error.js';

/** Reads nothing, or next to nothing. */
@Reagent({ port: 0 })
class Deaf {
  @OnConnection()
  begin(conn: Connection) {
    conn.pause();
  }

  @OnData()
  hear() {}

  @OnShutdown()
  leave(conn: Connection) {
    conn.reset();
  }
}

async function placesOf(input: string | Uint8Array, limit?: number): Promise<string[]> {
  const places: string[] = [];
  const note = ({ place, chunks }: Split) => places.push(`${place} ${chunks.map((chunk) => chunk.length)}`);
  await everySplit(input, note, limit === undefined ? {} : { limit });
  return places;
}

async function failureOf(trying: Promise<unknown>): Promise<SplitError> {
  const error = await trying.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(SplitError);
  return error as SplitError;
}

/** Answers each chunk with its length. */
@Reagent({ port: 0 })
class Lengths {
  @OnData()
  tell(conn: Connection, data: Buffer) {
    conn.send(`${data.length},`);
  }
}

describe('the splits', () => {
  it('are the whole, two pieces in each way, and byte by byte', async () => {
    expect(await placesOf('abcd')).toEqual([
      'in one piece 4',
      'split after byte 1 of 4 1,3',
      'split after byte 2 of 4 2,2',
      'split after byte 3 of 4 3,1',
      'byte by byte 1,1,1,1',
    ]);
  });

  it('are none twice where there are few', async () => {
    expect(await placesOf('a')).toEqual(['in one piece 1']);
    expect(await placesOf('ab')).toEqual(['in one piece 2', 'split after byte 1 of 2 1,1']);
  });

  it('are bounded for a long input, the pieces too', async () => {
    expect(await placesOf(Buffer.alloc(10), 3)).toEqual([
      'in one piece 10',
      'split after byte 1 of 10 1,9',
      'split after byte 4 of 10 4,6',
      'split after byte 7 of 10 7,3',
      'in pieces of 3 bytes 3,3,3,1',
    ]);
    expect(await placesOf(Buffer.alloc(100_000))).toHaveLength(258);
  });

  it('cut inside of characters', async () => {
    const joined: string[] = [];
    await everySplit('ä€', ({ chunks }) => joined.push(Buffer.concat(chunks).toString()));
    expect(joined).toEqual(Array.from({ length: 6 }, () => 'ä€'));
  });

  it('do not see what was done to the bytes of another', async () => {
    await everySplit('abc', ({ chunks }) => {
      expect(Buffer.concat(chunks).toString()).toBe('abc');
      for (const chunk of chunks) {
        expect(chunk.buffer.byteLength).toBe(chunk.length);
        chunk.fill('x');
      }
    });
  });

  it('run one after the other', async () => {
    let running = 0;
    await everySplit('abc', async () => {
      running += 1;
      expect(running).toBe(1);
      await undefined;
      running -= 1;
    });
  });

  it('refuse an input that has none, and a limit that allows none', async () => {
    await expect(everySplit('', () => {})).rejects.toThrow(RangeError);
    await expect(everySplit('a', () => {}, { limit: 0 })).rejects.toThrow(RangeError);
  });
});

describe('a split that fails', () => {
  it('is named, with its chunks and the cause', async () => {
    const cause = new Error('half a command');
    const error = await failureOf(
      everySplit('hello', ({ chunks }) => {
        if (chunks[0]?.length === 3) throw cause;
      }),
    );
    expect(error.message).toBe('split after byte 3 of 5: half a command');
    expect(error.cause).toBe(cause);
    expect(error.chunks.map(String)).toEqual(['hel', 'lo']);
  });

  it('is the first one, whatever is thrown', async () => {
    let tried = 0;
    const error = await failureOf(
      everySplit('hello', async () => {
        tried += 1;
        throw 'no error at all';
      }),
    );
    expect(error.message).toBe('in one piece: no error at all');
    expect(tried).toBe(1);
  });
});

describe('over a socket', () => {
  it('each piece arrives apart from the next', async () => {
    await using app = await createTestApp(Lengths).start();
    await everySplit('12345678', async ({ chunks, send }) => {
      await using client = await app.connect(Lengths);
      await send(client);
      await client.receive(chunks.map(({ length }) => `${length},`).join(''));
    });
  });

  it('so too on a Unix socket', async () => {
    @Reagent({ path: '/run/lengths.sock' })
    class Local extends Lengths {}

    await using app = await createTestApp(Local).start();
    await everySplit('1234', async ({ chunks, send }) => {
      await using client = await app.connect(Local);
      await send(client);
      await client.receive(chunks.map(({ length }) => `${length},`).join(''));
    });
  });

  it('so too in memory', async () => {
    await using app = await createTestApp(Lengths, { transport: 'memory' }).start();
    await everySplit('1234', async ({ chunks, send }) => {
      await using client = await app.connect(Lengths);
      await send(client);
      await client.receive(chunks.map(({ length }) => `${length},`).join(''));
    });
  });

  it('so too with TLS, and with a codec', async () => {
    const { server } = await certificates();

    @Reagent({ port: 0, secure: server })
    class Secure extends Lengths {}

    await using app = await createTestApp(Secure).start();
    await everySplit('1234', async ({ chunks, send }) => {
      await using client = await app.connect(Secure, { codec: delimited(',').pipe(text()) });
      await send(client);
      for (const { length } of chunks) expect(await client.recv()).toBe(String(length));
    });
  });

  it('so too where a PROXY header is cut', async () => {
    @Reagent({ port: 0, proxyProtocol: true })
    class Behind {
      @OnConnection()
      tell(conn: Connection) {
        conn.send(conn.remote.address);
      }
    }

    await using app = await createTestApp(Behind).start();
    const ends = { source: { address: '192.0.2.1', port: 1 }, destination: { address: '192.0.2.2', port: 2 } };
    for (const version of [1, 2] as const) {
      await everySplit(proxyHeader({ version, ...ends }), async ({ send }) => {
        await using client = await app.connect(Behind);
        await send(client);
        await client.receive('192.0.2.1');
      });
    }
  });

  it('so too where a ClientHello is cut', async () => {
    const { server } = await certificates();

    @Reagent({ port: 0, secure: server })
    class Secure extends Lengths {}

    await using app = await createTestApp(Secure).start();
    const hello = await clientHello();
    const cut = async ({ send }: Split) => {
      await using client = await app.connect(Secure, { secure: false });
      await send(client);
      expect((await client.receive(1))[0]).toBe(0x16);
    };
    await everySplit(hello, cut, { limit: 32 });
  });

  it('goes with fake timers', async () => {
    await using app = await createTestApp(Lengths).start();
    vi.useFakeTimers();
    try {
      await everySplit('123', async ({ chunks, send }) => {
        await using client = await app.connect(Lengths);
        await send(client);
        await client.receive(chunks.map(({ length }) => `${length},`).join(''));
      });
    } finally {
      vi.useRealTimers();
    }
  });

  it('what was sent before is waited for as well', async () => {
    await using app = await createTestApp(Lengths).start();
    await everySplit('1234', async ({ chunks, send }) => {
      await using client = await app.connect(Lengths);
      await client.send('12345');
      await send(client);
      const [first = Buffer.alloc(0), ...rest] = chunks;
      const answers = rest.map(({ length }) => `${length},`).join('');
      await client.receive(new RegExp(`^(5,${first.length}|${5 + first.length}),${answers}$`));
    });
  });

  it('finds what a server that takes chunks for messages gets wrong', async () => {
    @Reagent({ port: 0 })
    class Naive {
      @OnData()
      shout(conn: Connection, data: Buffer) {
        for (const line of data.toString().split('\n').slice(0, -1)) conn.send(`${line}!`);
      }
    }

    @Reagent({ port: 0, codec: lines() })
    class Framed {
      @OnData()
      shout(conn: Connection<string>, line: string) {
        conn.send(Buffer.from(`${line}!`));
      }
    }

    await using naive = await createTestApp(Naive, { timeout: 100 }).start();
    await using framed = await createTestApp(Framed).start();
    const tryAll = (connect: () => Promise<TestClient>) =>
      everySplit('one\ntwo\n', async ({ send }) => {
        await using client = await connect();
        await send(client);
        await client.receive('one!two!');
      });
    const error = await failureOf(tryAll(() => naive.connect(Naive)));
    expect(error.message).toMatch(/^split after byte 1 of 8: expected the next bytes to be "one!two!"/);
    await tryAll(() => framed.connect(Framed));
  });

  it('is no error of its own when the server closes or resets before it has all', async () => {
    @Reagent({ port: 0 })
    class Strict {
      @OnData()
      judge(conn: Connection, data: Buffer) {
        if (data.includes('!')) conn.reset();
        else if (data.includes('?')) conn.close();
      }
    }

    await using app = await createTestApp(Strict).start();
    await everySplit('ab!cd', async ({ send }) => {
      await using client = await app.connect(Strict);
      await send(client);
      expect(await client.closed()).toBe('reset');
    });
    await everySplit('ab?cd', async ({ send }) => {
      await using client = await app.connect(Strict);
      await send(client);
      expect(await client.closed()).toBe('end');
    });
  });

  it('is no error of its own when the server has reset the connection already', async () => {
    @Reagent({ port: 0 })
    class Closed extends Lengths {
      @OnAccept()
      refuse(incoming: Incoming) {
        incoming.reject();
      }
    }

    await using app = await createTestApp(Closed).start();
    await everySplit('ab', async ({ send }) => {
      await using client = await app.connect(Closed);
      expect(await client.closed()).toBe('reset');
      await send(client);
    });
  });

  it('is about the client that sends it, whatever others do', async () => {
    @Module({ reagents: [Lengths, Deaf] })
    class Both {}

    await using app = await createTestApp(Both).start();
    await everySplit('1234', async ({ chunks, send }) => {
      await using other = await app.connect(Deaf);
      await other.send('not read');
      await other.send(Buffer.alloc(1_000_000), { timeout: 20 }).catch(() => {});
      await using client = await app.connect(Lengths);
      await send(client);
      await client.receive(chunks.map(({ length }) => `${length},`).join(''));
    });
  });

  it('fails when the server does not read', async () => {
    await using app = await createTestApp(Deaf).start();
    const error = await failureOf(
      everySplit('abc', async ({ send }) => {
        await using client = await app.connect(Deaf);
        // The first chunk that comes stops the reading.
        await client.send('x');
        await send(client, { timeout: 50 });
        await client.send('x');
      }),
    );
    expect(error.message).toMatch(
      /^split after byte \d of 3: the server did not read the first \d bytes? within 50 ms/,
    );
  });

  it('needs a client that was connected inside of the callback', async () => {
    await using app = await createTestApp(Lengths).start();
    const client = await app.connect(Lengths);
    const error = await failureOf(everySplit('ab', ({ send }) => send(client)));
    expect(error.message).toContain('connected inside of the callback');
  });

  it('goes with any server of this process', async () => {
    const server = createServer((socket) => {
      socket.on('data', (data) => socket.write(`${data.length},`)).on('error', () => {});
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await everySplit('abc', async ({ chunks, send }) => {
      await using client = await TestClient.connect({ port });
      await send(client);
      await client.receive(chunks.map(({ length }) => `${length},`).join(''));
    });
    server.close();
  });
});
