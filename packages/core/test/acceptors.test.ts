// The acceptor pool: how many connections are set up at the same time, and what each step may do.

import {
  type Connection,
  type Incoming,
  type Listener,
  OnAccept,
  OnClose,
  OnConnection,
  OnData,
  Reagent,
} from '@reagent/core';
import { createTestApp } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { Gate } from './support/gate.js';
import { leave } from './support/leave.js';
import { Mailbox } from './support/mailbox.js';
import { until } from './support/until.js';

const connectMany = <T>(count: number, connect: () => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, connect));

describe('acceptors', () => {
  it('are the number of connections that are set up at the same time', async () => {
    const gate = new Gate();

    @Reagent({ port: 0, acceptors: 2 })
    class Gated {
      @OnAccept()
      admit() {
        return gate.passed();
      }

      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(data);
      }
    }

    await using app = await createTestApp(Gated).start();
    const clients = await connectMany(5, () => app.connect(Gated));
    await until(() => app.listener(Gated).stats().acceptors.waiting === 3);
    expect(gate.waiting).toBe(2);
    expect(app.listener(Gated).stats().acceptors).toEqual({ size: 2, busy: 2, waiting: 3 });

    gate.letOneThrough();
    await until(() => app.listener(Gated).stats().acceptors.waiting === 2);
    expect(gate.waiting).toBe(2);

    gate.open();
    for (const client of clients) {
      await client.send('hi');
      await client.receive('hi');
    }
    expect(app.listener(Gated).stats().acceptors).toEqual({ size: 2, busy: 0, waiting: 0 });
  });

  it('are taken in the order in which connections arrive', async () => {
    const gate = new Gate();
    const accepted = new Mailbox<number>();

    @Reagent({ port: 0, acceptors: 1 })
    class Gated {
      @OnAccept()
      admit(incoming: Incoming) {
        accepted.put(incoming.remote.port);
        return gate.passed();
      }

      @OnData()
      ignore() {}
    }

    await using app = await createTestApp(Gated).start();
    const ports: (number | undefined)[] = [];
    for (let count = 0; count < 4; count += 1) {
      ports.push((await app.connect(Gated)).localPort);
      await until(() => app.listener(Gated).stats().connections.active === count + 1);
    }
    for (let count = 0; count < 4; count += 1) {
      await accepted.take();
      gate.letOneThrough();
    }
    expect(accepted.all).toEqual(ports);
  });

  it('count against maxConnections while they set a connection up', async () => {
    const gate = new Gate();

    @Reagent({ port: 0, maxConnections: 2 })
    class Gated {
      @OnAccept()
      admit() {
        return gate.passed();
      }

      @OnConnection()
      async hello(conn: Connection) {
        await conn.recv();
      }
    }

    await using app = await createTestApp(Gated).start();
    await connectMany(4, () => app.connect(Gated));
    await until(() => app.listener(Gated).stats().connections.waiting === 2);
    expect(gate.waiting).toBe(2);
    expect(app.listener(Gated).stats().connections.active).toBe(2);
    expect(app.listener(Gated).connections.size).toBe(0);
    gate.open();
  });

  it('are more at once after resize()', async () => {
    const gate = new Gate();

    @Reagent({ port: 0, acceptors: 1 })
    class Gated {
      @OnAccept()
      admit() {
        return gate.passed();
      }

      @OnConnection()
      hello(conn: Connection) {
        conn.send('hello');
      }
    }

    await using app = await createTestApp(Gated).start();
    const clients = await connectMany(4, () => app.connect(Gated));
    const listener = app.listener(Gated);
    await until(() => listener.stats().acceptors.waiting === 3);
    listener.resize(3);
    await until(() => gate.waiting === 3);
    expect(listener.stats().acceptors).toEqual({ size: 3, busy: 3, waiting: 1 });
    gate.open();
    for (const client of clients) await client.receive('hello');
  });

  it('are fewer after resize() as soon as busy ones have finished', async () => {
    const gate = new Gate();

    @Reagent({ port: 0, acceptors: 3 })
    class Gated {
      @OnAccept()
      admit() {
        return gate.passed();
      }

      @OnConnection()
      hello(conn: Connection) {
        conn.send('hello');
      }
    }

    await using app = await createTestApp(Gated).start();
    const listener = app.listener(Gated);
    const clients = await connectMany(6, () => app.connect(Gated));
    await until(() => listener.stats().acceptors.waiting === 3);
    listener.resize(1);
    expect(listener.stats().acceptors).toEqual({ size: 1, busy: 3, waiting: 3 });

    for (const { busy, waiting } of [
      { busy: 2, waiting: 3 },
      { busy: 1, waiting: 3 },
      { busy: 1, waiting: 2 },
      { busy: 1, waiting: 1 },
    ]) {
      gate.letOneThrough();
      await until(() => listener.stats().acceptors.busy === busy && listener.stats().acceptors.waiting === waiting);
    }
    gate.open();
    for (const client of clients) await client.receive('hello');
  });

  it('refuses a size that is none', async () => {
    @Reagent({ port: 0 })
    class Echo {
      @OnData()
      ignore() {}
    }

    await using app = await createTestApp(Echo).start();
    for (const size of [0, -1, 1.5, Number.NaN]) expect(() => app.listener(Echo).resize(size)).toThrow();
    expect(app.listener(Echo).stats().acceptors.size).toBe(100);
  });

  it('are held by OnConnection in push style until it has finished', async () => {
    const gate = new Gate();

    @Reagent({ port: 0, acceptors: 1 })
    class Push {
      @OnConnection()
      async greet(conn: Connection) {
        await gate.passed();
        conn.send('hello\n');
      }

      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(data);
      }
    }

    await using app = await createTestApp(Push).start();
    const [first, second] = [await app.connect(Push), await app.connect(Push)];
    await until(() => app.listener(Push).stats().acceptors.waiting === 1);
    expect(gate.waiting).toBe(1);
    gate.letOneThrough();
    await first.receive('hello\n');
    await until(() => gate.waiting === 1);
    gate.letOneThrough();
    await second.receive('hello\n');
  });

  it('are free in pull style as soon as the handler is entered', async () => {
    const gate = new Gate();

    @Reagent({ port: 0, acceptors: 1 })
    class Pull {
      @OnConnection()
      async handle(conn: Connection) {
        await gate.passed();
        conn.send('hello');
      }
    }

    await using app = await createTestApp(Pull).start();
    const clients = await connectMany(3, () => app.connect(Pull));
    await until(() => gate.waiting === 3);
    expect(app.listener(Pull).stats().acceptors).toEqual({ size: 1, busy: 0, waiting: 0 });
    gate.open();
    for (const client of clients) await client.receive('hello');
  });

  it('are free again when OnConnection fails', async () => {
    let first = true;

    @Reagent({ port: 0, acceptors: 1 })
    class FirstFails {
      @OnConnection()
      async greet(conn: Connection) {
        const fails = first;
        first = false;
        if (fails) throw new Error('the first one fails');
        conn.send('hello');
      }

      @OnData()
      ignore() {}
    }

    await using app = await createTestApp(FirstFails).start();
    await leave(await app.connect(FirstFails));
    await (await app.connect(FirstFails)).receive('hello');
  });

  it('are free again when the client resets while OnConnection waits', async () => {
    const entered = new Mailbox<Connection>();

    @Reagent({ port: 0, acceptors: 1 })
    class Asking {
      @OnConnection()
      async greet(conn: Connection) {
        entered.put(conn);
        const name = await conn.recv();
        conn.send(`hello ${name}`);
      }

      @OnData()
      ignore() {}
    }

    await using app = await createTestApp(Asking).start();
    const first = await app.connect(Asking);
    await entered.take();
    first.reset();
    const second = await app.connect(Asking);
    await second.send('you');
    await second.receive('hello you');
  });
});

describe('OnAccept', () => {
  it('learns who comes, on which listener, and gives the connection its environment', async () => {
    const seen = new Mailbox<unknown>();

    @Reagent({ port: 0, name: 'front' })
    class Curious {
      @OnAccept()
      admit(incoming: Incoming, listener: Listener) {
        seen.put([incoming.remote, incoming.local.port, listener.name]);
        incoming.env.user = 'anna';
      }

      @OnConnection()
      hello(conn: Connection) {
        conn.send(`hello ${conn.env.user}`);
      }
    }

    await using app = await createTestApp(Curious).start();
    const client = await app.connect('front');
    await client.receive('hello anna');
    expect(await seen.take()).toEqual([
      { address: '127.0.0.1', port: client.localPort, family: 'IPv4' },
      app.listener('front').port,
      'front',
    ]);
  });

  it('is called with the instance as this, or with the class where it is static', async () => {
    @Reagent({ port: 0, name: 'instance' })
    class OnInstance {
      readonly #greeting = 'instance';

      @OnAccept()
      async admit(incoming: Incoming) {
        incoming.env.greeting = this.#greeting;
      }

      @OnConnection()
      hello(conn: Connection) {
        conn.send(String(conn.env.greeting));
      }
    }

    @Reagent({ port: 0, name: 'static' })
    class OnClass {
      static readonly greeting: string = 'static';

      @OnAccept()
      static admit(incoming: Incoming) {
        incoming.env.greeting = this.greeting;
      }

      @OnConnection()
      hello(conn: Connection) {
        conn.send(String(conn.env.greeting));
      }
    }

    await using first = await createTestApp(OnInstance).start();
    await using second = await createTestApp(OnClass).start();
    await (await first.connect(OnInstance)).receive('instance');
    await (await second.connect(OnClass)).receive('static');
  });

  it.each([
    ['rejects', (incoming: Incoming) => incoming.reject()],
    ['rejects after a while', async (incoming: Incoming) => Promise.resolve().then(() => incoming.reject())],
  ])('that %s turns this client away alone', async (_, reject) => {
    const entered = new Mailbox<string>();
    let turn = 0;

    @Reagent({ port: 0 })
    class Selective {
      @OnAccept()
      admit(incoming: Incoming) {
        turn += 1;
        return turn === 1 ? reject(incoming) : undefined;
      }

      @OnConnection()
      hello(conn: Connection) {
        entered.put('connection');
        conn.send('hello');
      }

      @OnClose()
      bye() {
        entered.put('close');
      }
    }

    await using app = await createTestApp(Selective).start();
    const refused = await app.connect(Selective);
    expect(await refused.closed()).toBe('reset');
    expect(refused.received.length).toBe(0);
    expect(entered.all).toEqual([]);
    expect(app.listener(Selective).stats().connections).toMatchObject({ active: 0, rejected: { accept: 1 } });
    expect(app.logs.filter(({ level }) => level === 'error')).toEqual([]);
    await (await app.connect(Selective)).receive('hello');
  });

  it('that never settles is given up after its time limit, and frees its acceptor', async () => {
    let turn = 0;

    @Reagent({ port: 0, acceptors: 1, timeouts: { handshake: 50 } })
    class Stuck {
      @OnAccept()
      admit(): Promise<void> | void {
        turn += 1;
        if (turn === 1) return new Promise(() => {});
      }

      @OnConnection()
      hello(conn: Connection) {
        conn.send('hello');
      }
    }

    await using app = await createTestApp(Stuck).start();
    const stuck = await app.connect(Stuck);
    const next = await app.connect(Stuck);
    expect(await stuck.closed()).toBe('reset');
    await next.receive('hello');
    expect(app.listener(Stuck).stats().connections.rejected.accept).toBe(1);
  });

  it('that settles after its time limit changes nothing any more', async () => {
    const gate = new Gate();
    const entered = new Mailbox<string>();

    @Reagent({ port: 0, acceptors: 1, timeouts: { handshake: 50 } })
    class Late {
      @OnAccept()
      admit() {
        return gate.passed();
      }

      @OnConnection()
      hello() {
        entered.put('connection');
      }
    }

    await using app = await createTestApp(Late).start();
    const late = await app.connect(Late);
    expect(await late.closed()).toBe('reset');
    gate.open();
    const next = await app.connect(Late);
    await entered.take();
    await leave(next);
    expect(entered.all).toEqual(['connection']);
    await app.listener(Late).waitForConnections((connections) => connections === 0);
    expect(app.listener(Late).stats().connections).toMatchObject({ accepted: 2, active: 0, rejected: { accept: 1 } });
  });

  it('runs before a byte is read, and loses none', async () => {
    const gate = new Gate();

    @Reagent({ port: 0 })
    class Echo {
      @OnAccept()
      admit() {
        return gate.passed();
      }

      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(data);
      }
    }

    await using app = await createTestApp(Echo).start();
    const client = await app.connect(Echo);
    await client.send('early');
    await client.end();
    await until(() => gate.waiting === 1);
    expect(app.listener(Echo).stats().bytes.in).toBe(0);
    gate.open();
    await client.receive('early');
    expect(await client.closed()).toBe('end');
  });

  it('whose client has reset meanwhile is followed by the next one', async () => {
    const gate = new Gate();

    @Reagent({ port: 0, acceptors: 1 })
    class Gated {
      @OnAccept()
      admit() {
        return gate.passed();
      }

      @OnConnection()
      hello(conn: Connection) {
        conn.send('hello');
      }
    }

    await using app = await createTestApp(Gated).start();
    const first = await app.connect(Gated);
    await until(() => gate.waiting === 1);
    first.reset();
    const second = await app.connect(Gated);
    gate.open();
    await second.receive('hello');
    await leave(second);
    await app.listener(Gated).waitForConnections((connections) => connections === 0);
  });

  it('may set options of the socket', async () => {
    @Reagent({ port: 0 })
    class Small {
      @OnAccept()
      admit(incoming: Incoming) {
        incoming.setOptions({ noDelay: false, highWaterMark: 8 });
      }

      @OnConnection()
      hello(conn: Connection) {
        const answers = [conn.send('1234'), conn.send('56789')];
        conn.send(` ${answers}`);
      }
    }

    await using app = await createTestApp(Small).start();
    await (await app.connect(Small)).receive('123456789 true,false');
  });
});
