// What the tracing channel 'reagent:hook' tells of the calls of hooks, and the stores that subscribers bind to it.

import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type CloseReason,
  type Connection,
  type HookEvent,
  type Incoming,
  type Listener,
  lines,
  OnAccept,
  OnClose,
  OnConnection,
  OnData,
  OnError,
  OnShutdown,
  OnTimeout,
  Reagent,
} from '@reagent/core';
import { createTestApp, type TestApp, type TestClient } from '@reagent/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { ChannelLog } from './support/channel-log.js';
import { Gate } from './support/gate.js';
import { leave } from './support/leave.js';
import { Mailbox } from './support/mailbox.js';
import { until } from './support/until.js';

const tracing = tracingChannel<unknown, HookEvent>('reagent:hook');

type HookName = HookEvent['hook'];

/** Events of one hook, as they were at each moment. */
function follow(hook: HookName) {
  const moments: [moment: string, outcome: Pick<HookEvent, 'result' | 'error'>][] = [];
  const events: HookEvent[] = [];
  const note = (moment: string) => (event: HookEvent) => {
    if (event.hook !== hook) return;
    events.push(event);
    moments.push([
      moment,
      {
        ...('result' in event ? { result: event.result } : {}),
        ...('error' in event ? { error: event.error } : {}),
      },
    ]);
  };
  const subscribers = {
    start: note('start'),
    end: note('end'),
    asyncStart: note('asyncStart'),
    asyncEnd: note('asyncEnd'),
    error: note('error'),
  };
  tracing.subscribe(subscribers);
  return { moments, events, stop: () => tracing.unsubscribe(subscribers) };
}

const thrown = new RangeError('thrown on purpose');

/** How a hook may end, and what is told then. */
const endings = {
  returns: {
    end: () => undefined,
    moments: [
      ['start', {}],
      ['end', { result: undefined }],
    ],
  },
  throws: {
    end: () => {
      throw thrown;
    },
    moments: [
      ['start', {}],
      ['error', { error: thrown }],
      ['end', { error: thrown }],
    ],
  },
  resolves: {
    end: async () => nextTurn(),
    moments: [
      ['start', {}],
      ['end', {}],
      ['asyncStart', { result: undefined }],
      ['asyncEnd', { result: undefined }],
    ],
  },
  rejects: {
    end: async () => {
      await nextTurn();
      throw thrown;
    },
    moments: [
      ['start', {}],
      ['end', {}],
      ['error', { error: thrown }],
      ['asyncStart', { error: thrown }],
      ['asyncEnd', { error: thrown }],
    ],
  },
} as const;

/** The hook that is to end in a way of its own, and how. */
let chosen: { readonly hook: HookName; readonly end: () => Promise<void> | void } | undefined;

const endOf = (hook: HookName) => (chosen?.hook === hook ? chosen.end() : undefined);

afterEach(() => {
  chosen = undefined;
});

/** Has every hook. What `@OnError` is told of, `@OnData` throws. */
@Reagent({ port: 0, codec: lines(), timeouts: { idle: 300 } })
class Everything {
  @OnAccept()
  accept(_incoming: Incoming, _listener: Listener) {
    return endOf('accept');
  }

  @OnConnection()
  connection(_conn: Connection<string>) {
    return endOf('connection');
  }

  @OnData()
  data(_conn: Connection<string>, line: string) {
    if (chosen?.hook === 'error' || line === 'fail') throw new TypeError('a reason for @OnError');
    return endOf('data');
  }

  @OnTimeout()
  timeout(_conn: Connection<string>) {
    return endOf('timeout');
  }

  @OnShutdown()
  shutdown(conn: Connection<string>) {
    conn.close();
    return endOf('shutdown');
  }

  @OnError()
  error(_conn: Connection<string>, _error: Error) {
    return endOf('error');
  }

  @OnClose()
  close(_conn: Connection<string>, _reason: CloseReason) {
    return endOf('close');
  }
}

const hooks: readonly HookName[] = ['accept', 'connection', 'data', 'error', 'timeout', 'shutdown', 'close'];
const cases = hooks.flatMap((hook) => Object.entries(endings).map(([how, ending]) => ({ hook, how, ...ending })));

describe('a hook', () => {
  it.each(cases)('$hook that $how is traced', async ({ hook, end, moments }) => {
    chosen = { hook, end };
    const told = follow(hook);
    try {
      await using app = await createTestApp(Everything).start();
      const client = await app.connect(Everything);
      await provoke(hook, client, app);
      await until(() => told.moments.length === moments.length);
    } finally {
      told.stop();
    }
    expect(told.moments).toEqual(moments);
    expect(new Set(told.events).size).toBe(1);
  });

  /** Does what has a hook called that is not called for everybody. */
  async function provoke(hook: HookName, client: TestClient, app: TestApp): Promise<void> {
    if (hook === 'data' || hook === 'error') await client.send('hi\n');
    if (hook === 'close') client.reset();
    if (hook !== 'shutdown') return;
    await until(() => app.listener(Everything).connections.size === 1);
    void app.stop();
  }

  it('is told with its connection, and what it gets besides', async () => {
    const accepts = follow('accept');
    const datas = follow('data');
    const errors = follow('error');
    const closes = follow('close');
    await using app = await createTestApp(Everything).start();
    const client = await app.connect(Everything);
    await until(() => app.listener(Everything).connections.size === 1);
    const listener = app.listener(Everything);
    const [connection] = listener.connections;
    await client.send('hi\nfail\n');
    await leave(client);
    await until(() => closes.moments.length === 2);
    for (const { stop } of [accepts, datas, errors, closes]) stop();

    const { port, address } = connection?.remote ?? {};
    expect(accepts.events[0]).toMatchObject({ hook: 'accept', listener, connection: undefined, argument: undefined });
    expect(accepts.events[0]?.incoming?.remote).toMatchObject({ port, address });
    const common = { listener, connection, incoming: undefined };
    expect(datas.events[0]).toMatchObject({ ...common, hook: 'data', argument: 'hi' });
    expect(datas.events.at(-1)).toMatchObject({ ...common, hook: 'data', argument: 'fail' });
    const error = new TypeError('a reason for @OnError');
    expect(errors.events[0]).toMatchObject({ ...common, hook: 'error', argument: error });
    expect(closes.events[0]).toMatchObject({ ...common, hook: 'close', argument: { kind: 'error', error } });
  });

  it('is told to whoever has subscribed to one moment alone', async () => {
    const heard: HookEvent[] = [];
    const failed = (message: unknown) => heard.push(message as HookEvent);
    subscribe('tracing:reagent:hook:error', failed);
    // The test kit subscribes to hooks of those whom it watches.
    await using app = await createTestApp(Everything).start();
    const client = await app.connect(Everything);
    await client.send('fail\n');
    await leave(client);
    unsubscribe('tracing:reagent:hook:error', failed);
    expect(heard.map(({ hook, error }) => [hook, String(error)])).toEqual([
      ['data', 'TypeError: a reason for @OnError'],
    ]);
  });

  it('that returns a query which runs when it is awaited has it run once', async () => {
    let runs = 0;
    const query = {
      // biome-ignore lint/suspicious/noThenProperty: it is what such queries have
      then(resolve: (value: string) => void) {
        runs++;
        resolve('row');
      },
    };

    @Reagent({ port: 0, codec: lines() })
    class Asking {
      @OnData()
      ask() {
        return query as unknown as Promise<void>;
      }
    }

    const told = follow('data');
    await using app = await createTestApp(Asking).start();
    const client = await app.connect(Asking);
    await client.send('ask\n');
    await until(() => told.moments.length === 4);
    told.stop();
    expect(told.moments.at(-1)).toEqual(['asyncEnd', { result: 'row' }]);
    expect(runs).toBe(1);
  });

  it('that runs while a handler waits in recv() is told inside of it', async () => {
    @Reagent({ port: 0, codec: lines(), timeouts: { idle: 50 } })
    class Waiting {
      @OnConnection()
      async talk(conn: Connection<string>) {
        while ((await conn.recv()) !== null);
      }

      @OnTimeout()
      keep() {
        return 'keep';
      }
    }

    using log = new ChannelLog('Waiting');
    await using app = await createTestApp(Waiting).start();
    const client = await app.connect(Waiting);
    await until(() => log.told.filter((told) => told === 'timeout:end').length === 2);
    await client.end();
    await leave(client);
    await log.last('reagent:connection:close');
    const hooks = log.told.filter((told) => told.includes(':') && !told.startsWith('timeout'));
    expect(hooks).toEqual(['connection:start', 'connection:end', 'connection:asyncStart', 'connection:asyncEnd']);
    expect(log.told.lastIndexOf('timeout:end')).toBeLessThan(log.told.indexOf('connection:asyncStart'));
  });

  it('that does not end is still told when it does, although its listener has stopped', async () => {
    const gate = new Gate();

    @Reagent({ port: 0 })
    class Stubborn {
      @OnData()
      data() {
        return gate.passed();
      }
    }

    using log = new ChannelLog('Stubborn');
    const app = await createTestApp(Stubborn).start();
    const client = await app.connect(Stubborn);
    await client.send('hi');
    await until(() => gate.waiting === 1);
    await app.stop({ timeout: 1 });
    client.destroy();
    expect(log.of('reagent:listener:status').at(-1)?.status).toBe('stopped');
    gate.open();
    await until(() => log.told.includes('data:asyncEnd'));
    expect(log.told.slice(-2)).toEqual(['data:asyncStart', 'data:asyncEnd']);
  });
});

describe('a store that is bound to the start of hooks', () => {
  const store = new AsyncLocalStorage<string>();
  const seen = new Mailbox<[where: string, what: string | undefined]>();
  const see = (where: string) => seen.put([where, store.getStore()]);

  @Reagent({ port: 0, codec: lines() })
  class Looking {
    @OnAccept()
    async accept() {
      await nextTurn();
      see('accept');
    }

    @OnConnection()
    async connection(conn: Connection<string>) {
      await conn.recv();
      see('connection');
    }

    @OnData()
    async data(conn: Connection<string>, line: string) {
      see(line);
      await nextTurn();
      see(`${line}, later`);
      setTimeout(() => see(`${line}, from a timer`), 1);
      conn.send(line);
    }

    @OnClose()
    close() {
      see('close');
    }
  }

  const nameOf = ({ connection, hook, argument }: HookEvent) =>
    hook === 'data' ? `${hook} ${argument}` : `${hook}${connection === undefined ? '' : ' of a connection'}`;

  it('reaches hooks, and what they await and start', async () => {
    tracing.start.bindStore(store as AsyncLocalStorage<unknown>, (event) => nameOf(event as HookEvent));
    const ends: [string, string | undefined][] = [];
    const ended = (event: unknown) => ends.push([nameOf(event as HookEvent), store.getStore()]);
    const moments = ['tracing:reagent:hook:end', 'tracing:reagent:hook:asyncEnd'];
    for (const moment of moments) subscribe(moment, ended);
    try {
      await using app = await createTestApp(Looking).start();
      const client = await app.connect(Looking);
      await client.send('go\none\n');
      await client.line();
      await client.send('two\n');
      await client.line();
      await until(() => seen.all.length === 8);
      await client.end();
      await leave(client);
      await until(() => seen.all.length === 9);
    } finally {
      tracing.start.unbindStore(store as AsyncLocalStorage<unknown>);
      for (const moment of moments) unsubscribe(moment, ended);
    }
    expect(Object.fromEntries(seen.all)).toEqual({
      accept: 'accept',
      connection: 'connection of a connection',
      one: 'data one',
      'one, later': 'data one',
      'one, from a timer': 'data one',
      two: 'data two',
      'two, later': 'data two',
      'two, from a timer': 'data two',
      close: 'close of a connection',
    });
    // So does whoever is told how they ended.
    expect(ends.length).toBeGreaterThan(8);
    for (const [event, current] of ends) expect(current).toBe(event);
  });

  it('is left alone when it is unbound', async () => {
    tracing.start.bindStore(store as AsyncLocalStorage<unknown>, () => 'bound');
    tracing.start.unbindStore(store as AsyncLocalStorage<unknown>);
    await using app = await createTestApp(Looking).start();
    const client = await app.connect(Looking);
    const before = seen.all.length;
    await client.send('go\none\n');
    await client.line();
    expect(seen.all.slice(before)).toContainEqual(['one', undefined]);
  });
});
