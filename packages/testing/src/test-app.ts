import type { Application, Connection, Constructor, Listener, StopOptions, Token } from '@reagent/core';
import type { ApplicationWatch } from './application-watch.js';
import { callerLine, thrownFrom } from './caller-stack.js';
import { type CapturedLogger, type LogEntry, troublesOf } from './captured-logger.js';
import { type ClientTransport, SocketTransport } from './client/client-transport.js';
import { nextTurn, startTimer } from './client/real-time.js';
import {
  DEFAULT_TIMEOUT_MS,
  TestClient,
  type TestClientOptions,
  type TimeLimit,
  type WithCodec,
} from './client/test-client.js';
import { EventRecorder, type RecordedEvent } from './event-recorder.js';
import { LeakError } from './leak-error.js';
import {
  describeConnection,
  describeCrash,
  describeError,
  describeHook,
  describeTimer,
  errorOf,
  type Leftover,
  LeftoverError,
  nameOfConnection,
} from './leftovers.js';
import { MemoryTransport } from './memory/memory-transport.js';
import type { Placement, Transport } from './placement.js';
import { releaseCalls } from './release-calls.js';
import { ReleasedConnections } from './released-connections.js';
import type { RunningTimer } from './running-timers.js';
import { type BackpressureOptions, SendLimit } from './send-limit.js';
import { haveVitestShowSuppressed } from './suppressed-errors.js';

/** What the core logs when it resets connections that do not end, and when their hooks do not. */
const CUT_OFF = 'resetting connections that did not end in time';
const STILL_RUNNING = 'hooks of closed connections are still running; not waiting for them';

/** How long `stop` waits for connections to end by themselves: a test that leaves some open is not to wait long. */
const STOP_TIMEOUT_MS = 1_000;

type AnyConnection = Connection<unknown, unknown>;

/** A client's options that `TestApp` leaves to the test. */
export interface ConnectOptions<In = Buffer, Out = string | Uint8Array>
  extends Omit<TestClientOptions<In, Out>, 'serverErrors'> {
  /**
   * `'memory'` connects without the system, whatever the listener is bound to; `'tcp'` and `'unix'` say what it has to be bound to.
   * Default: what the test app was made with, or what the listener is bound to.
   */
  readonly transport?: Transport;
}

/** What a test application is made of. */
export interface TestAppParts {
  readonly application: Application;
  readonly logger: CapturedLogger;
  readonly placement: Placement;
  /** `undefined` where nothing of what it sees is asked for. */
  readonly watch: ApplicationWatch | undefined;
  readonly allow: readonly Leftover[];
  readonly sendLimit: number;
  readonly clientOptions: ConnectOptions;
}

/** A running application under test. */
export class TestApp {
  readonly application: Application;
  readonly #logger: CapturedLogger;
  readonly #placement: Placement;
  readonly #watch: ApplicationWatch | undefined;
  readonly #allow: readonly Leftover[];
  readonly #clientOptions: ConnectOptions;
  readonly #clients: { destroy(): void }[] = [];
  /** Where in the test each client was connected, by its port. */
  readonly #origins = new Map<number, string>();
  readonly #recorder: EventRecorder;
  readonly #sendLimit: SendLimit;
  readonly #released: ReleasedConnections;
  /** Errors that the test has asked for. */
  readonly #expected = new Set<LogEntry>();
  readonly #stuck: string[] = [];
  #look: (() => void) | undefined;
  #stopped: Promise<void> | undefined;

  /** Made by `createTestApp(...).start()`. */
  constructor({ application, logger, placement, watch, allow, sendLimit, clientOptions }: TestAppParts) {
    this.application = application;
    this.#logger = logger;
    this.#placement = placement;
    this.#watch = watch;
    this.#allow = allow;
    this.#clientOptions = clientOptions;
    const known = new WeakSet<Listener>(application.listeners);
    const isOurs = (listener: Listener): boolean => {
      // Those that are started later turn up in the application's list.
      if (!known.has(listener) && application.listeners.includes(listener)) known.add(listener);
      return known.has(listener);
    };
    this.#recorder = new EventRecorder(isOurs);
    const nameOf = (connection: AnyConnection) => nameOfConnection(connection, this.#originOf(connection));
    this.#sendLimit = new SendLimit(isOurs, sendLimit, nameOf);
    this.#released = new ReleasedConnections(isOurs, nameOf);
    watch?.ownListeners(isOurs);
    logger.onEntry = (entry) => this.#logged(entry);
  }

  /** All that the application has logged so far, of every level. */
  get logs(): readonly LogEntry[] {
    return this.#logger.entries;
  }

  /** All that its listeners and connections have told on their diagnostics channels since it was up; see the guide on telemetry. */
  get events(): readonly RecordedEvent[] {
    return this.#recorder.events;
  }

  /**
   * Waits for an error that a hook throws, which then does not fail the test. One that has been thrown already, and was not asked for,
   * will do.
   *
   * @param expected its class, or what its message is or matches. Default: any error.
   * @throws when there is none within the time limit; the error tells which there were.
   */
  async expectError(
    expected?: (abstract new (...args: never[]) => Error) | string | RegExp,
    { timeout = this.#clientOptions.timeout ?? DEFAULT_TIMEOUT_MS }: TimeLimit = {},
  ): Promise<Error> {
    const caller = new Error();
    const deadline = new Promise<'late'>((resolve) => {
      const timer = startTimer(() => resolve('late'), timeout);
      timer.unref();
    });
    for (;;) {
      for (const entry of this.logs) {
        const error = errorOf(entry);
        if (error === undefined || this.#expected.has(entry) || !isAsExpected(error, expected)) continue;
        this.#expected.add(entry);
        return error;
      }
      const more = new Promise<'more'>((resolve) => {
        this.#look = () => resolve('more');
      });
      if ((await Promise.race([deadline, more])) === 'late') break;
    }
    const others = this.logs.flatMap((entry) => errorOf(entry)?.message ?? []);
    const seen =
      others.length === 0 ? 'there was none' : `there was ${others.map((other) => JSON.stringify(other)).join(', ')}`;
    const wanted = `an error${expected === undefined ? '' : ` like ${nameOf(expected)}`}`;
    throw thrownFrom(caller, new Error(`TestApp: expected ${wanted} within ${timeout} ms; ${seen}`));
  }

  /**
   * Waits until the application waits for a client that does not read: something waits to be sent to it, and nothing is added to that any
   * more. A connection that is closed instead will do.
   *
   * @throws BackpressureError when more waits than is allowed, so that a slow client could fill the memory, or when nothing does within
   *   the time limit
   */
  async expectBackpressure(options: BackpressureOptions = {}): Promise<void> {
    const caller = new Error();
    const timeout = options.timeout ?? this.#clientOptions.timeout ?? DEFAULT_TIMEOUT_MS;
    const connections = () => this.application.listeners.flatMap((listener) => [...listener.connections]);
    const problem = await this.#sendLimit.reached(connections, { ...options, timeout });
    if (problem !== undefined) throw thrownFrom(caller, problem);
  }

  /**
   * Waits until nothing holds the connections that have closed any more: no set or map, no listener of an event, no timer. It looks at
   * what the garbage collector leaves, which takes some 50 ms. In `app.events`, copies stand for them from then on.
   *
   * @throws LeakError when something still does after the time limit, be it a variable of the test
   */
  async expectReleased({ timeout = this.#clientOptions.timeout ?? DEFAULT_TIMEOUT_MS }: TimeLimit = {}): Promise<void> {
    const caller = new Error();
    this.#recorder.letGo();
    this.#watch?.letGo();
    for (const { fields } of this.logs) releaseCalls(Object.values(fields));
    const held = await this.#released.held(timeout);
    if (held.length > 0) throw thrownFrom(caller, new LeakError(held, timeout));
  }

  /** @throws when the application has no such listener. */
  listener(nameOrClass: string | Constructor): Listener {
    return this.application.listener(nameOrClass);
  }

  resolve<T>(token: Token<T>): T {
    return this.application.resolve(token);
  }

  /**
   * Connects to a listener, over a real socket or in memory, with TLS where the listener is secure. The client is closed when the app stops.
   *
   * @throws TestClientError when it cannot connect.
   */
  connect(nameOrClass: string | Constructor, options?: ConnectOptions): Promise<TestClient>;
  connect<In, Out>(
    nameOrClass: string | Constructor,
    options: Omit<WithCodec<In, Out>, 'serverErrors'> & Pick<ConnectOptions, 'transport'>,
  ): Promise<TestClient<In, Out>>;
  async connect(nameOrClass: string | Constructor, options: ConnectOptions = {}): Promise<TestClient> {
    const listener = this.listener(nameOrClass);
    const { transport, ...clientOptions }: ConnectOptions = {
      secure: listener.secure,
      ...this.#clientOptions,
      ...options,
    };
    const caller = new Error();
    const client = await TestClient.over(reach(listener, transport, clientOptions.localAddress), {
      ...clientOptions,
      serverErrors: () => [...troublesOf(this.logs), ...this.#crashes],
    });
    this.#clients.push(client);
    if (client.localPort !== undefined) this.#origins.set(client.localPort, callerLine(caller));
    return client;
  }

  /**
   * Closes the clients and stops the application. To see how it stops while clients are connected, call
   * `application.stop()` first.
   *
   * @throws LeftoverError if something was left over that is not allowed for: errors, crashes, connections, timers
   */
  stop({ timeout = STOP_TIMEOUT_MS }: StopOptions = {}): Promise<void> {
    this.#stopped ??= this.#stop(timeout, new Error());
    return this.#stopped;
  }

  async #stop(timeout: number, caller: Error): Promise<void> {
    for (const client of this.#clients.splice(0)) client.destroy();
    let timers: readonly RunningTimer[];
    try {
      await this.application.stop({ timeout });
      // All of this may have been one turn, at the end of which rejections are told.
      await nextTurn();
    } finally {
      timers = this.#watch?.stop() ?? [];
      this.#recorder.stop();
      this.#sendLimit.stop();
      this.#released.stop();
      await this.#placement.remove();
    }
    const errors = this.logs.flatMap((entry) => {
      const error = errorOf(entry);
      return error === undefined || this.#expected.has(entry) ? [] : [describeError(entry, error)];
    });
    const found: Record<Leftover, readonly string[]> = {
      errors,
      crashes: this.#crashes,
      connections: this.#stuck,
      timers: timers.map(describeTimer),
    };
    const leftovers = (Object.keys(found) as Leftover[])
      .filter((kind) => !this.#allow.includes(kind))
      .flatMap((kind) => found[kind].map((description) => ({ kind, description })));
    if (leftovers.length > 0) throw thrownFrom(caller, new LeftoverError(leftovers));
  }

  /** Where in the test the client of a connection was connected. */
  #originOf({ remote }: AnyConnection): string | undefined {
    return this.#origins.get(remote.port);
  }

  get #crashes(): readonly string[] {
    return this.#watch?.crashes.map(describeCrash) ?? [];
  }

  #logged(entry: LogEntry): void {
    const name = entry.fields.listener;
    if (entry.message === CUT_OFF && typeof name === 'string') {
      for (const connection of this.listener(name).connections) {
        const hooks = this.#watch?.hooksOf((other) => other === connection) ?? [];
        this.#stuck.push(describeConnection(connection, hooks, this.#originOf(connection)));
      }
    } else if (entry.message === STILL_RUNNING) {
      const hooks = this.#watch?.hooksOf(({ listener }) => listener.name === name) ?? [];
      this.#stuck.push(...hooks.map(describeHook));
    }
    this.#look?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stop();
    } catch (error) {
      await haveVitestShowSuppressed();
      throw error;
    }
  }
}

/** What carries a client's bytes to a listener. Throws if it cannot be reached that way. */
function reach(
  listener: Listener,
  transport: Transport | undefined,
  localAddress: string | undefined,
): ClientTransport {
  if (transport === 'memory') return new MemoryTransport(listener, localAddress);
  const { address, port, endpoint } = listener;
  const isUnix = endpoint.family === 'unix';
  if (transport !== undefined && isUnix !== (transport === 'unix')) {
    throw new Error(
      `TestApp: ${listener.name} is bound to ${isUnix ? 'a Unix socket' : 'a TCP port'}; for ${transport}, make the app with createTestApp(…, { transport: '${transport}' })`,
    );
  }
  return new SocketTransport(isUnix ? { path: address } : { host: address, port }, localAddress);
}

function isAsExpected(error: Error, expected: Parameters<TestApp['expectError']>[0]): boolean {
  if (expected === undefined) return true;
  if (typeof expected === 'string') return error.message === expected;
  return expected instanceof RegExp ? expected.test(error.message) : error instanceof expected;
}

function nameOf(expected: NonNullable<Parameters<TestApp['expectError']>[0]>): string {
  return typeof expected === 'function'
    ? expected.name
    : typeof expected === 'string'
      ? JSON.stringify(expected)
      : String(expected);
}
