import {
  bootstrap,
  type Constructor,
  type DependencyContainer,
  type DescriptorInput,
  type Logger,
  Module,
  type ModuleImport,
  type Provider,
  reagentOf,
  type TlsOptions,
  type Token,
} from '@reagent/core';
import { ApplicationWatch } from './application-watch.js';
import { thrownFrom } from './caller-stack.js';
import { CapturedLogger } from './captured-logger.js';
import type { Leftover } from './leftovers.js';
import { Placement, type Transport } from './placement.js';
import { DEFAULT_SEND_LIMIT } from './send-limit.js';
import { TestApp } from './test-app.js';
import { testAppDefaults } from './test-app-defaults.js';

export interface TestAppOptions {
  /**
   * Changes to the descriptors, by the listener's name. A `port`, `path` or `fd` given here is taken as it is; without,
   * each listener gets a free port on 127.0.0.1, or, where its descriptor has a `path`, a path of its own that
   * disappears with the app.
   */
  readonly descriptors?: Readonly<Record<string, DescriptorInput>>;
  /**
   * How clients reach the listeners: over `'tcp'`, over a Unix socket (`'unix'`), or in memory, where nothing is bound and no port is
   * used. Default: as the descriptors say, TCP or a Unix socket.
   */
  readonly transport?: Transport;
  /** The TLS options of the application, as `bootstrap` takes them: what `secure: true` and `conn.startTls()` stand for. */
  readonly secure?: TlsOptions;
  /** Gets what is logged, besides `app.logs`. Default: nobody, so that a test writes nothing. */
  readonly logger?: Logger;
  /**
   * What may be left over when the application stops without failing the test. Default: nothing. An error that is part of the test is
   * better asked for, with `app.expectError()`.
   */
  readonly allow?: readonly Leftover[];
  /**
   * Bytes that may wait to be sent to one client. A `send()` above that throws a BackpressureError, so that a server that does not heed
   * what `send()` returns fails its test and does not fill the memory. Default: 64 MiB; `Infinity` is no limit.
   */
  readonly sendLimit?: number;
  /** What is provided instead of the application's own, as by `.override(token)`. Default: nothing. */
  readonly overrides?: readonly Provider[];
  /** The time limit of the clients' calls, in ms. Default: 2 000. */
  readonly timeout?: number;
}

const knownOptions: readonly string[] = [
  'descriptors',
  'transport',
  'secure',
  'logger',
  'allow',
  'sendLimit',
  'overrides',
  'timeout',
] satisfies (keyof TestAppOptions)[];

/** What may stand in for a `T`: of an object the members that the test needs. */
export type Fake<T> = T extends object ? Partial<T> : T;

/** The ways to provide an override; each leads back to the builder. */
export interface Override<T> {
  useValue(value: Fake<T>): TestAppBuilder;
  useClass(replacement: Constructor<Fake<T> & object>): TestAppBuilder;
  /** The factory gets the application's container and may be async. */
  useFactory(factory: (container: DependencyContainer) => Fake<T> | Promise<Fake<T>>): TestAppBuilder;
}

export interface TestAppBuilder {
  /**
   * Provides something else for a token, wherever in the application it is injected. What the application would have
   * provided is not made.
   */
  override<T>(token: Token<T>): Override<T>;
  /** Starts it. Whatever `bootstrap` throws comes through. */
  start(): Promise<TestApp>;
}

/**
 * Builds an application to test: a module, or a single reagent. It listens on free loopback ports, handles no signals,
 * writes no log, and shares no instance with another one.
 *
 * @throws for options that there are not
 *
 * @example
 * await using app = await createTestApp(AppModule).override(Clock).useValue({ now: () => 0 }).start();
 * const client = await app.connect(Echo);
 * await client.send('hello\n');
 * await client.receive('hello\n');
 */
export function createTestApp(root: ModuleImport, options: TestAppOptions = {}): TestAppBuilder {
  const unknown = Object.keys(options).filter((option) => !knownOptions.includes(option));
  if (unknown.length > 0) {
    const message = `createTestApp has no option ${unknown.join(', ')}; it has ${knownOptions.join(', ')}`;
    throw thrownFrom(new Error(), new Error(message));
  }
  const overrides: Provider[] = [...(options.overrides ?? [])];
  const builder: TestAppBuilder = {
    override: (token) => {
      const provide = (provider: Provider) => {
        overrides.push(provider);
        return builder;
      };
      return {
        useValue: (useValue) => provide({ token, useValue }),
        useClass: (useClass) => provide({ token, useClass }),
        useFactory: (useFactory) => provide({ token, useFactory }),
      };
    },
    start: () => startTestApp(root, overrides, options, new Error()),
  };
  return builder;
}

async function startTestApp(
  root: ModuleImport,
  overrides: readonly Provider[],
  options: TestAppOptions,
  caller: Error,
): Promise<TestApp> {
  const {
    descriptors = {},
    logger,
    timeout,
    transport,
    secure,
    allow,
    sendLimit = DEFAULT_SEND_LIMIT,
  } = {
    ...testAppDefaults,
    ...options,
  };
  const captured = new CapturedLogger(logger);
  const placement = new Placement(descriptors, transport);
  // Where nobody asks what comes of it, hooks are called without detour.
  const watch = allow.includes('timers') && allow.includes('crashes') ? undefined : new ApplicationWatch();
  try {
    const boot = () =>
      bootstrap(testModule(root, overrides), {
        logger: captured,
        signals: false,
        secure,
        listen: transport !== 'memory',
        overrides: (name, descriptor) => placement.place(name, descriptor),
      });
    const application = await (watch === undefined ? boot() : watch.run(boot));
    const clientOptions = {
      ...(timeout === undefined ? {} : { timeout }),
      ...(transport === undefined ? {} : { transport }),
    };
    const app = new TestApp({ application, logger: captured, placement, watch, allow, sendLimit, clientOptions });
    if (placement.unknown.length > 0) {
      const names = application.listeners.map(({ name }) => name);
      await app.stop();
      const message = `createTestApp: no listener is called ${placement.unknown.join(', ')}; there is ${names.join(', ')}`;
      throw thrownFrom(caller, new Error(message));
    }
    return app;
  } catch (error) {
    watch?.stop();
    await placement.remove();
    throw error;
  }
}

/** A module around the one under test, whose providers win over those of all that it imports. */
function testModule(root: ModuleImport, overrides: readonly Provider[]): Constructor {
  class TestModule {}
  const isReagent = typeof root === 'function' && reagentOf(root) !== undefined;
  Module({ providers: overrides, ...(isReagent ? { reagents: [root] } : { imports: [root] }) })(TestModule);
  return TestModule;
}
