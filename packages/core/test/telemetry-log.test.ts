// What reagent logs: through a real pino, with its fields, and no more of it than a bounded number of lines, whatever clients do.

import {
  type Application,
  type Connection,
  type Constructor,
  type DescriptorInput,
  Logger,
  lines,
  OnAccept,
  OnClose,
  OnConnection,
  OnData,
  OnError,
  Reagent,
  start,
} from '@reagent/core';
import { TestClient } from '@reagent/testing';
import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { leave } from './support/leave.js';

/** A line of pino's. */
interface Line {
  readonly level: number;
  readonly msg: string;
  readonly listener?: string;
  readonly [field: string]: unknown;
}

const [INFO, WARN, ERROR] = [30, 40, 50];

/** An application that logs through pino, from the level `trace` on. */
class Logged implements AsyncDisposable {
  readonly lines: Line[];
  readonly #application: Application;
  readonly #clients: TestClient[] = [];

  private constructor(application: Application, lines: Line[]) {
    this.#application = application;
    this.lines = lines;
  }

  static async start(reagent: Constructor, descriptor: DescriptorInput = {}): Promise<Logged> {
    const lines: Line[] = [];
    const destination = { write: (line: string) => lines.push(JSON.parse(line) as Line) };
    const logger = pino({ level: 'trace' }, destination);
    return new Logged(
      await start(reagent, { port: 0, host: '127.0.0.1', ...descriptor }, { logger, signals: false }),
      lines,
    );
  }

  async connect(): Promise<TestClient> {
    const client = await TestClient.connect({ port: this.#application.listeners[0]?.port ?? 0 });
    this.#clients.push(client);
    return client;
  }

  /** What was logged, the start and the end of the listener aside. */
  get news(): Line[] {
    return this.lines.filter(({ msg }) => msg !== 'listening' && msg !== 'stopped');
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await this.#application.stop({ timeout: 1_000 });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

const fromHere = expect.stringMatching(/^127\.0\.0\.1:\d+$/);

@Reagent({ codec: lines({ maxLength: 20 }) })
class Talk {
  constructor(private readonly log: Logger) {}

  @OnData()
  async line(conn: Connection<string>, line: string) {
    if (line === 'log') this.log.debug({ connection: conn.id }, 'told to');
    if (line === 'fail') throw new RangeError('no such thing', { cause: new Error('the reason') });
    if (line === 'fail otherwise') throw Object.assign(new Error('no room'), { code: 'ENOSPC' });
    if (line === 'file') void conn.sendFile('/nowhere').catch(() => {});
    conn.send(line);
  }
}

describe('through pino', () => {
  it('lines have their fields', async () => {
    await using app = await Logged.start(Talk);
    expect(app.lines).toEqual([
      expect.objectContaining({
        level: INFO,
        msg: 'listening',
        listener: 'Talk',
        address: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      }),
    ]);
    await app.stop();
    expect(app.lines.at(-1)).toMatchObject({ level: INFO, msg: 'stopped', listener: 'Talk' });
  });

  it('an error is err, with its type, stack and cause', async () => {
    await using app = await Logged.start(Talk);
    const client = await app.connect();
    await client.send('fail\n');
    await leave(client);
    const [failed] = app.news;
    expect(failed).toMatchObject({
      level: ERROR,
      msg: 'connection failed',
      listener: 'Talk',
      connection: expect.any(Number),
      remote: fromHere,
      err: {
        type: 'RangeError',
        message: 'no such thing: the reason',
        stack: expect.stringContaining('telemetry-log.test.ts'),
      },
    });
    expect(failed).not.toHaveProperty('error');
  });

  it('what a client does is told without a stack', async () => {
    await using app = await Logged.start(Talk);
    const client = await app.connect();
    await client.send('x'.repeat(100));
    await leave(client);
    expect(app.news).toEqual([
      expect.objectContaining({
        level: INFO,
        msg: 'connection failed',
        remote: fromHere,
        code: 'ERR_REAGENT_FRAME_TOO_LONG',
        error: expect.stringContaining('20'),
      }),
    ]);
    expect(app.news[0]).not.toHaveProperty('err');
  });

  it('the logger is what hooks get', async () => {
    await using app = await Logged.start(Talk);
    const client = await app.connect();
    await client.send('log\n');
    await client.line();
    expect(app.news).toEqual([expect.objectContaining({ level: 20, msg: 'told to', connection: expect.any(Number) })]);
  });
});

describe('whatever clients do', () => {
  it('connections and messages that go well write nothing, on no level', async () => {
    await using app = await Logged.start(Talk);
    for (let visit = 0; visit < 20; visit++) {
      const client = await app.connect();
      await client.send('hello\nworld\n');
      await client.line();
      await client.end();
      await leave(client);
      (await app.connect()).reset();
    }
    await app.stop();
    expect(app.news).toEqual([]);
  });

  it.each([
    ['hooks that throw', 'fail\n', ERROR, 'connection failed', 'RangeError'],
    ['clients that send nonsense', 'x'.repeat(100), INFO, 'connection failed', 'ERR_REAGENT_FRAME_TOO_LONG'],
    ['files that cannot be sent', 'file\n', WARN, 'sendFile() failed', 'ENOENT'],
  ])('%s write ten lines, and how many more there were', async (_, text, level, msg, code) => {
    await using app = await Logged.start(Talk);
    for (let visit = 0; visit < 30; visit++) {
      const client = await app.connect();
      await client.send(text);
      if (level === WARN) await client.line();
      else await leave(client);
    }
    const other = await app.connect();
    await other.send('fail otherwise\n');
    await leave(other);
    await app.stop();
    const [first, ...rest] = app.news;
    expect(first).toMatchObject({ level, msg, remote: fromHere });
    expect(rest.slice(0, 9)).toEqual(Array(9).fill(expect.objectContaining({ level, msg })));
    expect(rest.slice(9)).toEqual([
      // What is not of the flood is not held back with it.
      expect.objectContaining({ level: ERROR, err: expect.objectContaining({ code: 'ENOSPC' }) }),
      expect.objectContaining({ level, msg: `${msg}, and more of the kind`, listener: 'Talk', code, more: 20 }),
    ]);
  });

  it('what goes wrong before and behind a connection writes ten lines too', async () => {
    let visits = 0;

    @Reagent()
    class Broken {
      @OnAccept()
      accept() {
        if (visits++ % 2 === 0) throw new RangeError('not you');
      }

      @OnData()
      data() {
        throw new TypeError('nor you');
      }

      @OnError()
      error() {
        throw new SyntaxError('not even here');
      }

      @OnClose()
      close() {
        throw new EvalError('nor there');
      }
    }

    await using app = await Logged.start(Broken);
    const written = (msg: string) => app.news.filter((line) => line.msg === msg).length;
    while (visits < 30) {
      const client = await app.connect();
      await client.send('x').catch(() => {});
      await leave(client);
    }
    await app.stop();
    expect(written('a connection could not be set up')).toBe(10);
    for (const msg of ['connection failed', '@OnError failed', '@OnClose failed']) expect(written(msg)).toBe(10);
    expect(app.news.filter(({ more }) => more !== undefined).map(({ more }) => more)).toEqual([5, 5, 5, 5]);
  });

  it('owners that cannot be made or disposed of write ten lines too', async () => {
    let isBroken = true;

    @Reagent({ scope: 'connection' })
    class Unmade {
      constructor() {
        if (isBroken) throw new RangeError('cannot be made');
      }

      @OnConnection()
      hello() {}

      dispose() {
        throw new RangeError('cannot be disposed of');
      }
    }

    await using app = await Logged.start(Unmade);
    for (let visit = 0; visit < 24; visit++) {
      isBroken = visit % 2 === 0;
      await leave(await app.connect());
    }
    await app.stop();
    const told = (msg: string) => app.news.filter((line) => line.msg === msg).length;
    expect(told('Unmade could not be made for a connection')).toBe(10);
    expect(told('dispose() failed')).toBe(10);
    expect(app.news.filter(({ more }) => more === 2).map(({ msg }) => msg)).toEqual([
      'Unmade could not be made for a connection, and more of the kind',
      'dispose() failed, and more of the kind',
    ]);
  });

  it('an alarm without a cooldown writes ten lines too', async () => {
    await using app = await Logged.start(Talk, { alarms: [{ connections: 1, cooldown: 0 }] });
    for (let client = 0; client < 15; client++) await app.connect();
    for (let client = 0; client < 15; client++) await (await app.connect()).send('hello\n');
    await app.stop();
    const alarms = app.news.filter(({ level }) => level === WARN);
    expect(alarms).toHaveLength(11);
    expect(alarms[0]).toMatchObject({ msg: 'connections have reached an alarm', threshold: 1, connections: 1 });
    expect(alarms.at(-1)).toMatchObject({ more: 20 });
  });
});
