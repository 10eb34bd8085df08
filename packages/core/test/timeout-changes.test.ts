// Time limits of a listener that is running, and its environment. Several tests wait for time to pass, and do it side by side.

import {
  ConfigurationError,
  type Connection,
  type Incoming,
  type Listener,
  OnAccept,
  OnConnection,
  OnData,
  OnError,
  OnTimeout,
  Reagent,
  type TimeoutError,
} from '@reagent/core';
import { createTestApp, neverReads, stalledHandshake, type TestApp, type TestClient } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { pki } from './support/fronts.js';
import { Gate } from './support/gate.js';
import { leave } from './support/leave.js';
import { Leftovers } from './support/leftovers.js';
import { Mailbox } from './support/mailbox.js';
import { until } from './support/until.js';

const defaults = {
  proxyHeader: 5_000,
  handshake: 5_000,
  idle: Number.POSITIVE_INFINITY,
  wait: Number.POSITIVE_INFINITY,
  send: 30_000,
  shutdown: 15_000,
};

/** Longer than any test. */
const NEVER = 3_600_000;

@Reagent({ port: 0 })
class Echo {
  @OnData()
  echo(conn: Connection, data: Buffer) {
    conn.send(data);
  }
}

async function connectEchoing(app: TestApp, reagent: typeof Echo = Echo) {
  const client = await app.connect(reagent);
  await client.send('x');
  await client.receive('x');
  return client;
}

/** Waits until all connections are over, and sees that so many have passed their idle limit. */
async function endedIdle(listener: Listener, count: number): Promise<void> {
  await listener.waitForConnections((connections) => connections === 0, { timeout: 4_000 });
  expect(listener.stats().connections.closed.timeout).toBe(count);
}

describe('timeouts', () => {
  it('are those of the descriptor, and then what they were changed to', async () => {
    await using app = await createTestApp(Echo, { descriptors: { Echo: { timeouts: { idle: NEVER } } } }).start();
    const listener = app.listener(Echo);
    const before = listener.timeouts;
    expect(before).toEqual({ ...defaults, idle: NEVER });
    listener.setTimeouts({ send: false, wait: 7, shutdown: undefined });
    expect(listener.timeouts).toEqual({ ...defaults, idle: NEVER, send: Number.POSITIVE_INFINITY, wait: 7 });
    expect(before.wait).toBe(Number.POSITIVE_INFINITY);
  });

  it('cannot be changed in what is read of them', async () => {
    await using app = await createTestApp(Echo).start();
    const { timeouts } = app.listener(Echo);
    expect(() => {
      (timeouts as { idle: number }).idle = 5;
    }).toThrow(TypeError);
  });

  it('stay as they are, all of them, if one change is wrong, and the error says where and what', async () => {
    await using app = await createTestApp(Echo).start();
    const listener = app.listener(Echo);
    const change = () => listener.setTimeouts({ shutdown: 5, idle: 0, sned: 1 } as object);
    expect(change).toThrow(ConfigurationError);
    expect(change).toThrow(
      [
        '2 problems in the application:',
        '  Echo, timeouts.idle: expected whole milliseconds from 1 to 2147483647, or false for off, received 0',
        '  Echo, timeouts.sned: is no field of timeouts; did you mean timeouts.send?',
      ].join('\n'),
    );
    expect(listener.timeouts).toEqual(defaults);
  });
});

describe.concurrent('timeouts.idle changed at run time', () => {
  it('closes a connection that has been idle for longer already, and asks OnTimeout before', async () => {
    const asked = new Mailbox<number>();
    const failed = new Mailbox<Error>();

    @Reagent({ port: 0, timeouts: { idle: NEVER } })
    class Idle extends Echo {
      @OnTimeout()
      late(conn: Connection) {
        asked.put(conn.listener.timeouts.idle);
      }

      @OnError()
      failed(_: Connection, error: Error) {
        failed.put(error);
      }
    }

    await using app = await createTestApp(Idle).start();
    const client = await connectEchoing(app, Idle);
    await client.expectNothing(60);
    const since = performance.now();
    app.listener(Idle).setTimeouts({ idle: 50 });
    expect(await leave(client)).toBe('end');
    expect(performance.now() - since).toBeLessThan(2_000);
    expect(asked.all).toEqual([50]);
    expect(failed.all).toMatchObject([{ step: 'idle', timeout: 50 }]);
  });

  it('from off holds for open connections, from then on, and for new ones', async () => {
    @Reagent({ port: 0 })
    class Plain extends Echo {}

    await using app = await createTestApp(Plain).start();
    const open = await connectEchoing(app, Plain);
    await open.expectNothing(150);
    const since = performance.now();
    app.listener(Plain).setTimeouts({ idle: 100 });
    const young = await connectEchoing(app, Plain);
    expect(await leave(open)).toBe('end');
    expect(performance.now() - since).toBeGreaterThanOrEqual(99);
    expect(await leave(young)).toBe('end');
    await endedIdle(app.listener(Plain), 2);
  });

  it('to off closes nobody any more, and back again does', async () => {
    @Reagent({ port: 0, timeouts: { idle: 100 } })
    class Idle extends Echo {}

    await using app = await createTestApp(Idle).start();
    const listener = app.listener(Idle);
    const client = await connectEchoing(app, Idle);
    listener.setTimeouts({ idle: false });
    await client.expectNothing(300);
    listener.setTimeouts({ idle: 100 });
    await client.send('still here');
    await client.receive('still here');
    expect(await leave(client)).toBe('end');
    await endedIdle(listener, 1);
  });

  it('to a longer one gives the rest of it', async () => {
    @Reagent({ port: 0, timeouts: { idle: 100 } })
    class Idle extends Echo {}

    await using app = await createTestApp(Idle).start();
    const client = await connectEchoing(app, Idle);
    const since = performance.now();
    app.listener(Idle).setTimeouts({ idle: 400 });
    expect(await leave(client)).toBe('end');
    expect(performance.now() - since).toBeGreaterThanOrEqual(350);
  });

  it('does not change what a connection fails with that has passed the limit before', async () => {
    const gate = new Gate();
    const failed = new Mailbox<Error>();

    @Reagent({ port: 0, timeouts: { idle: 30 } })
    class Idle extends Echo {
      @OnTimeout()
      late(): Promise<void> {
        return gate.passed();
      }

      @OnError()
      failed(_: Connection, error: Error) {
        failed.put(error);
      }
    }

    await using app = await createTestApp(Idle).start();
    const client = await connectEchoing(app, Idle);
    await until(() => gate.waiting === 1);
    app.listener(Idle).setTimeouts({ idle: false });
    gate.open();
    expect(await failed.take()).toMatchObject({ step: 'idle', timeout: 30 });
    await leave(client);
  });
});

it('a connection that closes while OnTimeout decides to keep it is let go', async () => {
  const gate = new Gate();
  const leftovers = new Leftovers();

  @Reagent({ port: 0, timeouts: { idle: 30 } })
  class Idle extends Echo {
    @OnTimeout()
    async late() {
      await gate.passed();
      return 'keep' as const;
    }
  }

  await using app = await createTestApp(Idle).start();
  const listener = app.listener(Idle);
  const client = await connectEchoing(app, Idle);
  await until(() => gate.waiting === 1);
  listener.setTimeouts({ idle: NEVER });
  client.reset();
  await until(() => listener.connections.size === 0);
  gate.open();
  await listener.stop();
  await leftovers.none();
});

describe.concurrent('timeouts.send changed at run time', () => {
  it.each([NEVER, false] as const)('from %s holds for a client that takes nothing already', async (before) => {
    const failed = new Mailbox<Error>();

    @Reagent({ port: 0, timeouts: { send: before } })
    class Flood {
      @OnConnection()
      async flood(conn: Connection) {
        const chunk = Buffer.alloc(1_000_000);
        while (conn.send(chunk) || conn.bytesWaiting < 20_000_000);
        await conn.drained();
      }

      @OnError()
      failed(_: Connection, error: Error) {
        failed.put(error);
      }
    }

    await using app = await createTestApp(Flood, { sendLimit: Number.POSITIVE_INFINITY }).start();
    const listener = app.listener(Flood);
    await using _client = await neverReads(listener);
    await until(() => [...listener.connections].some((conn) => conn.bytesWaiting > 0));
    listener.setTimeouts({ send: 50 });
    expect(await failed.take()).toMatchObject({ step: 'send', timeout: 50 });
  });
});

describe.concurrent('timeouts of those who are set up, changed at run time,', () => {
  it.each([NEVER, false] as const)('from %s hold for who owes its PROXY header', async (before) => {
    @Reagent({ port: 0, proxyProtocol: true, timeouts: { proxyHeader: before } })
    class Behind extends Echo {}

    await using app = await createTestApp(Behind).start();
    const listener = app.listener(Behind);
    const client = await app.connect(Behind);
    await listener.waitForConnections((connections) => connections === 1, { timeout: 4_000 });
    listener.setTimeouts({ proxyHeader: 30 });
    expect(await client.closed()).toBe('reset');
    expect(listener.stats().connections.rejected.proxyHeader).toBe(1);
    expect(app.logs.map(({ fields }) => fields)).toContainEqual(
      expect.objectContaining({ error: expect.stringMatching(/\b30 ms/) }),
    );
  });

  it.each([NEVER, false] as const)('from %s hold for who is in the TLS handshake', async (before) => {
    @Reagent({ port: 0, secure: pki.server, timeouts: { handshake: before } })
    class Secure extends Echo {}

    await using app = await createTestApp(Secure).start();
    const listener = app.listener(Secure);
    await using client = await stalledHandshake(listener);
    await listener.waitForConnections((connections) => connections === 1, { timeout: 4_000 });
    listener.setTimeouts({ handshake: 30 });
    expect(await client.closed()).toBe('reset');
    expect(listener.stats().tls.failed.timeout).toBe(1);
  });

  it('hold for an OnAccept that has not finished', async () => {
    @Reagent({ port: 0, timeouts: { handshake: NEVER } })
    class Stuck extends Echo {
      @OnAccept()
      admit() {
        return new Promise<void>(() => {});
      }
    }

    await using app = await createTestApp(Stuck).start();
    const listener = app.listener(Stuck);
    const client = await app.connect(Stuck);
    await until(() => listener.stats().acceptors.busy === 1);
    listener.setTimeouts({ handshake: 30 });
    expect(await client.closed()).toBe('reset');
    expect(listener.stats().connections.rejected.accept).toBe(1);
  });

  it('hold for the next recv() of a push-style OnConnection', async () => {
    const failed = new Mailbox<unknown>();

    @Reagent({ port: 0, timeouts: { handshake: NEVER } })
    class Asking extends Echo {
      @OnConnection()
      async ask(conn: Connection) {
        await conn.recv(1);
        conn.listener.setTimeouts({ handshake: 30 });
        failed.put(await conn.recv(1).catch((error: unknown) => error));
      }
    }

    await using app = await createTestApp(Asking).start();
    const client = await app.connect(Asking);
    await client.send('x');
    expect(await failed.take()).toMatchObject({ step: 'recv', timeout: 30 } satisfies Partial<TimeoutError>);
    client.destroy();
  });

  it.each([NEVER, false] as const)('from %s hold for who waits for room', async (before) => {
    @Reagent({ port: 0, maxConnections: 1, timeouts: { wait: before } })
    class Full extends Echo {}

    await using app = await createTestApp(Full).start();
    const listener = app.listener(Full);
    await connectEchoing(app, Full);
    const waiting = await app.connect(Full);
    await until(() => listener.stats().connections.waiting === 1);
    listener.setTimeouts({ wait: 30 });
    expect(await waiting.closed()).toBe('reset');
    expect(listener.stats().connections).toMatchObject({ active: 1, waiting: 0, rejected: { wait: 1 } });
  });
});

describe('timeouts.shutdown changed at run time', () => {
  it('holds for the next stop', async () => {
    await using app = await createTestApp(Echo).start();
    // The kit itself stops an application sooner than that.
    const listener = await app.application.start(Echo, { name: 'other', port: 0, host: '127.0.0.1' });
    const client = await app.connect('other');
    await client.send('x');
    await client.receive('x');
    listener.setTimeouts({ shutdown: 30 });
    await listener.stop();
    expect(await client.closed()).toBe('reset');
  });

  it('holds for none that is under way', async () => {
    await using app = await createTestApp(Echo).start();
    const listener = app.listener(Echo);
    const client = await connectEchoing(app);
    const stopping = listener.stop({ timeout: NEVER });
    listener.setTimeouts({ shutdown: 1 });
    await client.expectNothing(60);
    await client.send('still here');
    await client.receive('still here');
    client.destroy();
    await stopping;
  });
});

describe('while a listener is', () => {
  /** Changes limits, and returns what it then says of them. */
  function changed(listener: Listener): unknown[] {
    listener.maxConnectionsPerIp = 1;
    listener.setTimeouts({ idle: 30, shutdown: 9_999 });
    return [listener.maxConnectionsPerIp, listener.timeouts.idle, listener.timeouts.shutdown];
  }

  const values = [1, 30, 9_999];

  it('starting, changes hold for whoever comes', async () => {
    await using app = await createTestApp(Echo).start();
    const started = app.application.start(Echo, { name: 'other', port: 0, host: '127.0.0.1' });
    const listener = app.listener('other');
    expect(listener.status).toBe('starting');
    expect(changed(listener)).toEqual(values);
    await started;
    const [first, second] = [await app.connect('other'), await app.connect('other')];
    expect(await second.closed()).toBe('reset');
    expect(await leave(first)).toBe('end');
    await endedIdle(listener, 1);
    expect(listener.stats().connections.rejected.maxConnectionsPerIp).toBe(1);
  });

  it.each([
    ['listening', async (_: Listener): Promise<void> => {}],
    ['suspended', (listener: Listener): Promise<void> => listener.suspend()],
    ['draining', async (listener: Listener): Promise<void> => void listener.stop({ timeout: NEVER })],
  ] as const)('%s, changes hold for whoever is there', async (status, reach) => {
    await using app = await createTestApp(Echo).start();
    const listener = app.listener(Echo);
    const client = await connectEchoing(app);
    await reach(listener);
    expect(listener.status).toBe(status);
    expect(changed(listener)).toEqual(values);
    expect(await leave(client)).toBe('end');
    await endedIdle(listener, 1);
    if (status === 'draining') return;
    await listener.resume();
    await connectEchoing(app);
    expect(await (await app.connect(Echo)).closed()).toBe('reset');
  });

  it('stopped, changes do no harm', async () => {
    await using app = await createTestApp(Echo).start();
    const listener = app.listener(Echo);
    await listener.stop();
    expect(changed(listener)).toEqual(values);
    expect(() => listener.setTimeouts({ idle: -1 })).toThrow(ConfigurationError);
    expect(listener.status).toBe('stopped');
  });
});

describe('the environment of a listener', () => {
  it('changed at run time is seen by open and new connections, unless they have a value of their own', async () => {
    @Reagent({ port: 0, env: { motd: 'first', unit: 'm' } })
    class Telling {
      @OnData()
      tell(conn: Connection, data: Buffer) {
        const [command, value] = String(data).split(' ');
        if (command === 'own') conn.env.motd = value;
        if (command === 'disown') delete conn.env.motd;
        const { motd, unit, added } = conn.env;
        conn.send(`${motd} ${unit} ${added}\n`);
      }
    }

    await using app = await createTestApp(Telling).start();
    const { env } = app.listener(Telling);
    const [open, own] = [await app.connect(Telling), await app.connect(Telling)];
    const told = async (client: TestClient, command = 'tell') => {
      await client.send(command);
      return client.line();
    };
    expect(await told(open)).toBe('first m undefined');
    expect(await told(own, 'own mine')).toBe('mine m undefined');
    env.motd = 'second';
    env.added = 'yes';
    delete env.unit;
    expect(await told(open)).toBe('second undefined yes');
    expect(await told(own)).toBe('mine undefined yes');
    expect(await told(await app.connect(Telling))).toBe('second undefined yes');
    expect(await told(own, 'disown')).toBe('second undefined yes');
    expect(env.motd).toBe('second');
  });

  it('changed at run time is seen by OnAccept as well, and not by another listener of the class', async () => {
    const seen = new Mailbox<unknown>();

    @Reagent({ port: 0, env: { motd: 'first' } })
    class Noting extends Echo {
      @OnAccept()
      admit(incoming: Incoming) {
        seen.put(incoming.env.motd);
      }
    }

    await using app = await createTestApp(Noting).start();
    await app.application.start(Noting, { name: 'other', port: 0, host: '127.0.0.1' });
    app.listener(Noting).env.motd = 'second';
    await app.connect(Noting);
    expect(await seen.take()).toBe('second');
    await app.connect('other');
    expect(await seen.take()).toBe('first');
  });
});
