// However a connection goes wrong, its acceptor and its place under maxConnections are free again, once: with one of each, the
// next client is served, and the one after it has to wait.

import {
  type CloseReason,
  type Codec,
  Connection,
  ConnectionClosedError,
  type Constructor,
  type DescriptorInput,
  type Incoming,
  OnAccept,
  OnClose,
  OnConnection,
  OnData,
  OnError,
  type Outgoing,
  Reagent,
} from '@reagent/core';
import { createTestApp, type TestClient } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { Gate } from './support/gate.js';
import { until } from './support/until.js';

const only = { acceptors: 1, maxConnections: 1 } as const satisfies DescriptorInput;

interface Scenario {
  readonly reagent: Constructor;
  /** What the first client does to get into trouble. Default: it says something. */
  readonly trouble?: (client: TestClient) => Promise<void>;
}

/** Plays the trouble with the first client; then looks whether there is room for one, and for one only. */
async function play({ reagent, trouble = (client) => client.send('trouble') }: Scenario): Promise<void> {
  await using app = await createTestApp(reagent).start();
  const listener = app.listener(reagent);
  const first = await app.connect(reagent);
  await trouble(first);
  await until(() => listener.stats().connections.accepted === 1);
  await first.closed();
  first.destroy();
  await listener.waitForConnections((connections) => connections === 0, { timeout: 4_000 });
  for (let round = 0; round < 2; round += 1) {
    const next = await app.connect(reagent);
    await next.send('hello');
    await next.receive('hello');
    const waiting = await app.connect(reagent);
    await until(() => listener.stats().connections.waiting === 1);
    expect(listener.stats().connections.active).toBe(1);
    await waiting.send('me too');
    await next.end();
    await next.closed();
    await waiting.receive('me too');
    await waiting.end();
    await waiting.closed();
    await listener.waitForConnections((connections) => connections === 0, { timeout: 4_000 });
  }
  const { connections, acceptors } = listener.stats();
  const sum = (counts: Readonly<Record<string, number>>) =>
    Object.values(counts).reduce((total, count) => total + count, 0);
  expect(connections).toMatchObject({ active: 0, waiting: 0, accepted: 5 });
  expect(sum(connections.closed) + sum(connections.rejected)).toBe(5);
  expect(acceptors).toMatchObject({ busy: 0, waiting: 0 });
}

/** True for the first one who asks. */
function firstOnly(): () => boolean {
  let asked = 0;
  return () => asked++ === 0;
}

class Echo {
  @OnData()
  echo(conn: Connection, data: Buffer) {
    if (String(data) === 'trouble') throw new Error('trouble');
    return conn.send(data);
  }
}

describe('the place of a connection is free again', () => {
  it('when OnError throws the error that it was given', async () => {
    @Reagent(only)
    class Rethrowing extends Echo {
      @OnError()
      failed(_conn: Connection, error: Error) {
        throw error;
      }
    }
    await play({ reagent: Rethrowing });
  });

  it('when OnError rejects with another one', async () => {
    @Reagent(only)
    class Failing extends Echo {
      @OnError()
      async failed() {
        throw new Error('more trouble');
      }
    }
    await play({ reagent: Failing });
  });

  it('when OnClose throws the error of its reason', async () => {
    @Reagent(only)
    class Rethrowing extends Echo {
      @OnClose()
      bye(_conn: Connection, reason: CloseReason) {
        if (reason.error !== undefined) throw reason.error;
      }
    }
    await play({ reagent: Rethrowing });
  });

  it('when OnClose waits for a recv(), which is rejected', async () => {
    const errors: unknown[] = [];
    @Reagent(only)
    class Reading extends Echo {
      @OnClose()
      async bye(conn: Connection) {
        await conn.recv().catch((error: unknown) => {
          errors.push(error);
          throw error;
        });
      }
    }
    await play({ reagent: Reading });
    expect(errors).toEqual([expect.any(ConnectionClosedError)]);
  });

  it('when OnConnection throws, and the client does not close', async () => {
    const isFirst = firstOnly();
    @Reagent(only)
    class Refusing extends Echo {
      @OnConnection()
      open() {
        if (isFirst()) throw new Error('no');
      }
    }
    await play({ reagent: Refusing, trouble: async () => {} });
  });

  it('as far as its acceptor goes, while OnError still looks into why OnConnection failed', async () => {
    const isFirst = firstOnly();
    const gate = new Gate();
    @Reagent({ acceptors: 1 })
    class Investigating extends Echo {
      @OnConnection()
      open() {
        if (isFirst()) throw new Error('no');
      }

      @OnError()
      failed() {
        return gate.passed();
      }
    }
    await using app = await createTestApp(Investigating).start();
    await app.connect(Investigating);
    await until(() => gate.waiting === 1);
    const next = await app.connect(Investigating);
    await next.send('hello');
    await next.receive('hello');
    gate.open();
  });

  it.each(['throws', 'closes', 'resets', 'closes and throws', 'resets and throws'])(
    'when its instance %s while it is made',
    async (how) => {
      const isFirst = firstOnly();
      const called: string[] = [];
      @Reagent({ ...only, scope: 'connection' })
      class Session extends Echo {
        constructor(conn: Connection) {
          super();
          if (!isFirst()) return;
          if (how.includes('closes')) conn.close();
          if (how.includes('resets')) conn.reset();
          if (how.includes('throws')) throw new Error('no');
        }

        @OnConnection()
        open(conn: Connection) {
          called.push(`open ${conn.id}`);
        }

        @OnClose()
        bye(conn: Connection) {
          called.push(`bye ${conn.id}`);
        }
      }
      await play({ reagent: Session, trouble: (client) => client.send('trouble').catch(() => undefined) });
      // No hook of the first, and both of each other one.
      expect(called).toHaveLength(8);
      expect(called.filter((call) => call.startsWith('open'))).toHaveLength(4);
    },
  );

  it('when the codec cannot make a decoder for it', async () => {
    const isFirst = firstOnly();
    const codec: Codec<Buffer, Outgoing<Buffer>> = {
      decoder: () => {
        if (isFirst()) throw new Error('no');
        return { decode: (input) => (input.length === 0 ? undefined : input.takeChunk()) };
      },
      encode: (message, output) => output.write(message),
    };
    @Reagent({ ...only, codec })
    class Coded extends Echo {}
    await play({ reagent: Coded, trouble: async () => {} });
  });

  it.each(['rejects it', 'throws', 'rejects it later', 'throws later', 'takes too long and throws then'])(
    'when OnAccept %s',
    async (how) => {
      const isFirst = firstOnly();
      const gate = new Gate();
      @Reagent({ ...only, timeouts: { handshake: 30 } })
      class Doorman extends Echo {
        @OnAccept()
        admit(incoming: Incoming): void | Promise<void> {
          if (!isFirst()) return;
          const decide = () => {
            incoming.reject();
            if (how.includes('throws')) throw new Error('no');
          };
          if (how.includes('too long')) return gate.passed().then(decide);
          if (how.includes('later')) return Promise.resolve().then(decide);
          return decide();
        }
      }
      await play({
        reagent: Doorman,
        trouble: async (client) => {
          await client.closed();
          gate.open();
        },
      });
    },
  );

  it('when it was exempt, twice, and then closed', async () => {
    const isFirst = firstOnly();
    @Reagent(only)
    class Exempting extends Echo {
      @OnConnection()
      open(conn: Connection) {
        if (!isFirst()) return;
        conn.exempt();
        conn.exempt();
      }

      @OnClose()
      bye(conn: Connection) {
        conn.exempt();
      }
    }
    await play({ reagent: Exempting });
  });

  it('when its owner was another one, which failed in its OnConnection', async () => {
    const isFirst = firstOnly();
    class Worker extends Echo {
      @OnConnection()
      open() {
        throw new Error('no');
      }
    }
    @Reagent(only)
    class Receptionist extends Echo {
      @OnConnection()
      open() {
        return isFirst() ? new Worker() : undefined;
      }
    }
    await play({ reagent: Receptionist, trouble: async () => {} });
  });

  it('when somebody who waits for a number of connections fails', async () => {
    @Reagent(only)
    class Plain extends Echo {}
    await using app = await createTestApp(Plain).start();
    const listener = app.listener(Plain);
    const watched = listener.waitForConnections((connections) => {
      if (connections === 1) throw new Error('not one!');
      return false;
    });
    const failed = expect(watched).rejects.toThrow('not one!');
    const client = await app.connect(Plain);
    await failed;
    await client.send('hello');
    await client.receive('hello');
  });
});

describe('what is done to a connection while its instance is made', () => {
  it('is done when its OnConnection has run', async () => {
    const called: string[] = [];
    class Worker {
      @OnConnection()
      open() {
        called.push('worker');
      }

      @OnData()
      answer(conn: Connection, data: Buffer) {
        conn.send(`worker got ${data}`);
      }
    }
    @Reagent({ scope: 'connection' })
    class Session extends Echo {
      constructor(conn: Connection) {
        super();
        conn.send('made ');
        conn.handOver(new Worker());
        called.push('made');
      }

      @OnConnection()
      open() {
        called.push('session');
      }
    }
    await using app = await createTestApp(Session).start();
    const client = await app.connect(Session);
    await client.send('it');
    await client.receive('made worker got it');
    expect(called).toEqual(['made', 'session', 'worker']);
  });
});
