// Reagents without @OnData: the handler owns the connection and reads when it wants.

import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type CloseReason,
  type Connection,
  ConnectionClosedError,
  FrameTooLongError,
  OnClose,
  OnConnection,
  OnData,
  OnShutdown,
  OnTimeout,
  Reagent,
  StateError,
  TimeoutError,
  UnexpectedEndError,
} from '@reagent/core';
import type { TestApp, TestClient } from '@reagent/testing';
import { expect, it } from 'vitest';
import { Gate } from '../support/gate.js';
import { Mailbox } from '../support/mailbox.js';
import { settled, until } from '../support/until.js';
import { overEveryTransport, type Transport } from './transports.js';

/** Starts a pull-style reagent around one handler; `outcome` gets what it returns or throws, `closed` why it closed. */
async function pulling(
  { start }: Transport,
  handle: (conn: Connection) => unknown,
): Promise<{
  app: TestApp;
  client: TestClient;
  outcome: Mailbox<unknown>;
  closed: Mailbox<CloseReason>;
}> {
  const outcome = new Mailbox<unknown>();
  const closed = new Mailbox<CloseReason>();

  @Reagent()
  class Pull {
    @OnConnection()
    async handle(conn: Connection) {
      try {
        outcome.put(await handle(conn));
      } catch (error) {
        outcome.put(error);
      }
    }

    @OnClose()
    bye(_: Connection, reason: CloseReason) {
      closed.put(reason);
    }
  }

  const app = await start(Pull);
  return { app, client: await app.connect(Pull), outcome, closed };
}

/** Waits until the server has read so many bytes of its only connection: what is sent then comes in a chunk of its own. */
function read(app: TestApp, bytes: number): Promise<void> {
  return until(() => app.application.listeners.some((listener) => listener.stats().bytes.in === bytes));
}

overEveryTransport('a pull-style handler', (transport) => {
  const { start } = transport;

  it('closes the connection when it returns, after what it sent', async () => {
    const { app, client, closed } = await pulling(transport, (conn) => {
      conn.send('bye');
    });
    await using _ = app;
    await client.receive('bye');
    expect(await client.closed()).toBe('end');
    await client.end();
    expect(await closed.take()).toEqual({ kind: 'server' });
  });

  it('that is not async closes the connection when it returns', async () => {
    @Reagent()
    class Daytime {
      @OnConnection()
      tell(conn: Connection) {
        conn.send('noon\n');
      }
    }

    await using app = await start(Daytime);
    const client = await app.connect(Daytime);
    expect(await client.line()).toBe('noon');
    expect(await client.closed()).toBe('end');
  });

  it('echoes with for await, in order and unchanged', async () => {
    const { app, client, closed } = await pulling(transport, async (conn) => {
      for await (const data of conn) conn.send(data);
    });
    await using _ = app;
    const bytes = Buffer.alloc(4 * 1024 * 1024);
    for (let index = 0; index < bytes.length; index += 4) bytes.writeUInt32BE(index, index);
    const sending = client.send(bytes, { timeout: 10_000 });
    await client.receive(bytes, { timeout: 10_000 });
    await sending;
    await client.end();
    expect(await client.closed()).toBe('end');
    expect(await closed.take()).toEqual({ kind: 'client' });
  });

  it('keeps the memory of a connection bounded that it does not read from', async () => {
    const gate = new Gate();
    const opened = new Mailbox<Connection>();
    const { app, client, outcome } = await pulling(transport, async (conn) => {
      opened.put(conn);
      await gate.passed();
      let received = 0;
      for await (const data of conn) received += data.length;
      return received;
    });
    await using _ = app;
    const size = 32 * 1024 * 1024;
    const sending = client.send(Buffer.alloc(size), { timeout: 10_000 });
    const ending = client.end({ timeout: 10_000 });
    const conn = await opened.take();
    expect(await settled(() => conn.bytesRead)).toBeLessThan(1024 * 1024);
    gate.open();
    await sending;
    await ending;
    expect(await outcome.take()).toBe(size);
  });
});

overEveryTransport('recv()', (transport) => {
  it('gives what arrives next, and null at the end, again and again', async () => {
    const { app, client, outcome } = await pulling(transport, async (conn) => {
      conn.send(`first ${await conn.recv()}\n`);
      conn.send(`second ${await conn.recv()}\n`);
      return [await conn.recv(), await conn.recv(), await conn.recv(3)];
    });
    await using _ = app;
    await client.send('one');
    await client.receive('first one\n');
    await client.send('two');
    await client.receive('second two\n');
    await client.end();
    expect(await outcome.take()).toEqual([null, null, null]);
  });

  it('gives what has arrived before it is called', async () => {
    const gate = new Gate();
    const { app, client, outcome } = await pulling(transport, async (conn) => {
      await gate.passed();
      return String(await conn.recv());
    });
    await using _ = app;
    await client.send('early');
    gate.open();
    expect(await outcome.take()).toBe('early');
  });

  it('that waits too long throws a TimeoutError, and the next one gets the data', async () => {
    const { app, client, outcome } = await pulling(transport, async (conn) => {
      const error = await conn.recv({ timeout: 20 }).catch((reason: unknown) => reason);
      conn.send('now');
      return [error, String(await conn.recv({ timeout: 4_000 }))];
    });
    await using _ = app;
    await client.receive('now');
    await client.send('late');
    const [error, text] = (await outcome.take()) as [unknown, string];
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error).toMatchObject({ step: 'recv', timeout: 20 });
    expect(text).toBe('late');
  });

  it('that got its data is not disturbed when its time is over', async () => {
    const { app, client, outcome } = await pulling(transport, async (conn) => {
      const first = String(await conn.recv({ timeout: 30 }));
      conn.send('go on');
      return [first, String(await conn.recv())];
    });
    await using _ = app;
    await client.send('one');
    await client.receive('go on');
    await client.expectNothing(60);
    await client.send('two');
    expect(await outcome.take()).toEqual(['one', 'two']);
  });

  it('while another one waits is a StateError, and the first gets the data', async () => {
    const { app, client, outcome } = await pulling(transport, async (conn) => {
      const first = conn.recv();
      const second = await conn.recv().catch((reason: unknown) => reason);
      conn.send('ready');
      return [String(await first), second];
    });
    await using _ = app;
    await client.receive('ready');
    await client.send('data');
    const [first, second] = (await outcome.take()) as [string, unknown];
    expect(first).toBe('data');
    expect(second).toBeInstanceOf(StateError);
  });

  it('that waits when the client resets throws a ConnectionClosedError, or gives null where that looks like an end', async () => {
    const opened = new Mailbox<Connection>();
    const { app, client, outcome, closed } = await pulling(transport, async (conn) => {
      opened.put(conn);
      return conn.recv();
    });
    await using _ = app;
    await opened.take();
    // In the turn in which a handshake ends, node:tls does not notice a reset.
    await nextTurn();
    client.reset();
    const result = await outcome.take();
    if (transport.hasReset)
      expect(result).toMatchObject({ name: 'ConnectionClosedError', reason: transport.clientReset });
    else expect(result).toBe(null);
    expect(await closed.take()).toEqual(transport.clientReset);
  });

  it('that waits when the server closes the connection gives null', async () => {
    const opened = new Mailbox<Connection>();
    const { app, client, outcome } = await pulling(transport, async (conn) => {
      opened.put(conn);
      return conn.recv();
    });
    await using _ = app;
    const conn = await opened.take();
    conn.close();
    expect(await outcome.take()).toBe(null);
    expect(await client.closed()).toBe('end');
  });
});

overEveryTransport('recv(n)', (transport) => {
  it('gives exactly n bytes, from many chunks or a part of one', async () => {
    const { app, client, outcome } = await pulling(transport, async (conn) => {
      const parts: string[] = [];
      for (const length of [1, 5, 3]) {
        parts.push(String(await conn.recv(length)));
        conn.send('.');
      }
      parts.push(String(await conn.recv()));
      return parts;
    });
    await using _ = app;
    await client.send('abcde');
    await client.receive('.');
    await client.send('f');
    await client.receive('.');
    await client.send('ghijk');
    await client.receive('.');
    expect(await outcome.take()).toEqual(['a', 'bcdef', 'ghi', 'jk']);
  });

  it('may ask for more than is ever buffered', async () => {
    const size = 4 * 1024 * 1024;
    const { app, client, outcome } = await pulling(transport, async (conn) => (await conn.recv(size))?.length);
    await using _ = app;
    const sending = client.send(Buffer.alloc(size + 10), { timeout: 10_000 });
    expect(await outcome.take()).toBe(size);
    await sending.catch(() => {}); // The handler has returned, so that the connection may close before all is sent.
  });

  it('throws an UnexpectedEndError when the stream ends inside, and the bytes are not lost', async () => {
    const { app, client, outcome } = await pulling(transport, async (conn) => {
      const error = await conn.recv(10).catch((reason: unknown) => reason);
      return [error, String(await conn.recv()), await conn.recv()];
    });
    await using _ = app;
    await client.send('1234');
    await client.end();
    const [error, text, end] = (await outcome.take()) as [unknown, string, unknown];
    expect(error).toBeInstanceOf(UnexpectedEndError);
    expect(error).toMatchObject({ expected: 10, received: 4 });
    expect([text, end]).toEqual(['1234', null]);
  });

  it('that waits too long loses no byte', async () => {
    const { app, client, outcome } = await pulling(transport, async (conn) => {
      const error = await conn.recv({ length: 10, timeout: 30 }).catch((reason: unknown) => reason);
      conn.send('now');
      return [error, String(await conn.recv(10))];
    });
    await using _ = app;
    await client.send('01234');
    await client.receive('now');
    await client.send('56789');
    const [error, text] = (await outcome.take()) as [unknown, string];
    expect(error).toBeInstanceOf(TimeoutError);
    expect(text).toBe('0123456789');
  });

  it.each([-1, 1.5, Number.NaN])('refuses %d bytes', async (length) => {
    const { app, outcome } = await pulling(transport, (conn) => conn.recv(length));
    await using _ = app;
    expect(await outcome.take()).toBeInstanceOf(Error);
  });
});

overEveryTransport('recv({ until })', (transport) => {
  it('gives the bytes before the delimiter and keeps what comes after', async () => {
    const { app, client, outcome } = await pulling(transport, async (conn) => {
      const parts = [await conn.recv({ until: '\r\n' }), await conn.recv({ until: Buffer.from('\r\n') })];
      return [...parts, await conn.recv()].map(String);
    });
    await using _ = app;
    await client.send('one\r\ntw');
    await read(app, 7);
    await client.send('o\r');
    await read(app, 9);
    await client.send('\nrest');
    expect(await outcome.take()).toEqual(['one', 'two', 'rest']);
  });

  it('throws a FrameTooLongError where no delimiter comes', async () => {
    const { app, client, outcome } = await pulling(transport, (conn) => conn.recv({ until: '\n', maxLength: 100 }));
    await using _ = app;
    await client.send('x'.repeat(101));
    const error = await outcome.take();
    expect(error).toBeInstanceOf(FrameTooLongError);
    expect(error).toMatchObject({ maxLength: 100 });
  });

  it('throws an UnexpectedEndError when the stream ends before the delimiter, and gives null where there is nothing', async () => {
    const { app, client, outcome } = await pulling(transport, async (conn) => {
      const error = await conn.recv({ until: '\n' }).catch((reason: unknown) => reason);
      return [error, String(await conn.recv()), await conn.recv({ until: '\n' })];
    });
    await using _ = app;
    await client.send('no end');
    await client.end();
    const [error, text, end] = (await outcome.take()) as [unknown, string, unknown];
    expect(error).toBeInstanceOf(UnexpectedEndError);
    expect([text, end]).toEqual(['no end', null]);
  });
});

overEveryTransport('iteration', (transport) => {
  it('that is left with break leaves the connection open and keeps what comes after', async () => {
    const { app, client, outcome } = await pulling(transport, async (conn) => {
      const parts: string[] = [];
      for await (const data of conn) {
        parts.push(String(data));
        conn.send('next');
        break;
      }
      for await (const data of conn) parts.push(String(data));
      return parts;
    });
    await using _ = app;
    await client.send('one');
    await client.receive('next');
    await client.send('two');
    await client.end();
    expect(await outcome.take()).toEqual(['one', 'two']);
  });

  it('ends when the connection is closed in its body', async () => {
    const { app, client, outcome } = await pulling(transport, async (conn) => {
      let rounds = 0;
      for await (const data of conn) {
        rounds += 1;
        conn.send(data);
        conn.close();
      }
      return rounds;
    });
    await using _ = app;
    await client.send('once');
    await client.receive('once');
    expect(await outcome.take()).toBe(1);
    expect(await client.closed()).toBe('end');
  });

  it('throws when the client resets, or ends where that looks like an end', async () => {
    const { app, client, outcome } = await pulling(transport, async (conn) => {
      for await (const data of conn) conn.send(data);
    });
    await using _ = app;
    await client.send('x');
    await client.receive('x');
    client.reset();
    const result = await outcome.take();
    if (transport.hasReset) expect(result).toBeInstanceOf(ConnectionClosedError);
    else expect(result).toBe(undefined);
  });
});

overEveryTransport('recv() in a push-style reagent', ({ start }) => {
  it('serves OnConnection, to authenticate, and OnData gets the rest', async () => {
    @Reagent()
    class Guarded {
      @OnConnection()
      async authenticate(conn: Connection) {
        const password = await conn.recv({ until: '\n' });
        if (String(password) !== 'sesame') return conn.close();
        conn.send('welcome\n');
      }

      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(data);
      }
    }

    await using app = await start(Guarded);
    const client = await app.connect(Guarded);
    await client.send('sesame\nand more');
    await client.receive('welcome\nand more');
    await client.send('!');
    await client.receive('!');

    const stranger = await app.connect(Guarded);
    await stranger.send('wrong\nand more');
    expect(await stranger.closed()).toBe('end');
    expect(stranger.received.length).toBe(0);
  });

  it('serves OnData, to read the rest of a message', async () => {
    const entered = new Mailbox<string>();

    @Reagent()
    class Records {
      @OnData()
      async record(conn: Connection, head: Buffer) {
        entered.put('data');
        const body = await conn.recv(head[0] ?? 0);
        conn.send(`[${body}]`);
      }
    }

    await using app = await start(Records);
    const client = await app.connect(Records);
    await client.send(Buffer.from([5]));
    await entered.take();
    await client.send('hel');
    await read(app, 4);
    await client.send('lo');
    await client.receive('[hello]');
  });

  it('outside of a hook is a StateError', async () => {
    const opened = new Mailbox<Connection>();

    @Reagent()
    class Push {
      @OnConnection()
      open(conn: Connection) {
        opened.put(conn);
      }

      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(data);
      }
    }

    await using app = await start(Push);
    const client = await app.connect(Push);
    const conn = await opened.take();
    await client.send('x');
    await client.receive('x');
    await expect(conn.recv()).rejects.toBeInstanceOf(StateError);
    await client.send('y');
    await client.receive('y');
  });

  it('while OnData is being called for another connection is a matter of its own', async () => {
    const connections: Connection[] = [];
    const outcome = new Mailbox<unknown>();

    @Reagent()
    class Push {
      @OnConnection()
      open(conn: Connection) {
        connections.push(conn);
      }

      @OnData()
      async data() {
        const other = connections.find((conn) => conn !== connections[1]);
        outcome.put(await other?.recv().catch((error: unknown) => error));
      }
    }

    await using app = await start(Push);
    await app.connect(Push);
    await until(() => connections.length === 1);
    const second = await app.connect(Push);
    await second.send('x');
    expect(await outcome.take()).toBeInstanceOf(StateError);
  });
});

overEveryTransport('a hook that interrupts a handler in recv()', ({ start }) => {
  it('has finished before the handler goes on, and no second one runs meanwhile', async () => {
    const gate = new Gate();
    const journal: string[] = [];

    @Reagent({ timeouts: { idle: 80 } })
    class Pull {
      @OnConnection()
      async handle(conn: Connection) {
        for await (const data of conn) {
          journal.push(`handler gets ${data}`);
          conn.send(data);
        }
      }

      @OnTimeout()
      late() {
        journal.push('timeout');
        return 'keep' as const;
      }

      @OnShutdown()
      async leave() {
        journal.push('shutdown entered');
        await gate.passed();
        journal.push('shutdown left');
      }
    }

    await using app = await start(Pull);
    const client = await app.connect(Pull);
    await until(() => app.listener(Pull).connections.size === 1);
    const stopping = app.application.stop({ timeout: 10_000 });
    await until(() => gate.waiting === 1);
    journal.splice(0);
    await client.send('data');
    await client.expectNothing(200);
    expect(journal).toEqual([]);
    gate.open();
    await client.receive('data');
    expect(journal.slice(0, 2)).toEqual(['shutdown left', 'handler gets data']);
    await client.end();
    await stopping;
  });
});
