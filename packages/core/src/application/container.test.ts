import 'reflect-metadata';
import {
  type DependencyContainer,
  delay,
  container as globalContainer,
  inject,
  injectable,
  Lifecycle,
  scoped,
} from 'tsyringe';
import { describe, expect, test } from 'vitest';
import { Connection } from '../connection/connection.js';
import { Module, type Provider } from '../decorators/module.js';
import { OnData } from '../decorators/on-data.js';
import { Reagent } from '../decorators/reagent.js';
import { singleton } from '../decorators/singleton.js';
import { ProviderError } from '../errors.js';
import { Listener } from '../listener/listener.js';
import { makeProviders, type ProviderSet } from './container.js';
import type { InjectionContext } from './injection.js';
import { readModules } from './modules.js';

/** The container of an application with these providers. */
function make(providers: readonly Provider[], context: Partial<InjectionContext> = {}): Promise<ProviderSet> {
  class AppModule {}
  Module({ providers })(AppModule);
  return makeProviders(readModules(AppModule).providers, { parent: globalContainer, ...context });
}

async function failure(
  providers: readonly Provider[],
  context: Partial<InjectionContext> = {},
): Promise<ProviderError> {
  const error: unknown = await make(providers, context).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ProviderError)) throw new Error('did not fail with a ProviderError', { cause: error });
  return error;
}

/** Fulfilled after the promises that are pending now had their turn. */
function later(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

class Store {}

@injectable()
class Users {
  constructor(readonly store: Store) {}
}

describe('a listed provider', () => {
  test('of every form is found under its token', async () => {
    const token = Symbol('token');
    const { container } = await make([
      Store,
      Users,
      { token: 'class', useClass: Users },
      { token: 'value', useValue: 5 },
      { token, useFactory: (c) => c.resolve<number>('value') + 1 },
      { token: 'async', useFactory: async () => 'later' },
      { token: 'other name', useExisting: Users },
    ]);
    expect(container.resolve(Users).store).toBe(container.resolve(Store));
    expect(container.resolve<Users>('class')).toBeInstanceOf(Users);
    expect(container.resolve('value')).toBe(5);
    expect(container.resolve(token)).toBe(6);
    expect(container.resolve('async')).toBe('later');
    expect(container.resolve('other name')).toBe(container.resolve(Users));
  });

  test('is one instance per application, in the containers of connections too', async () => {
    let calls = 0;
    const providers: Provider[] = [Store, { token: 'n', useFactory: () => ({ call: ++calls }) }];
    const first = await make(providers);
    const second = await make(providers);
    const perConnection = first.container.createChildContainer();
    for (const token of [Store, 'n']) {
      expect(perConnection.resolve(token)).toBe(first.container.resolve(token));
      expect(second.container.resolve(token)).not.toBe(first.container.resolve(token));
    }
    expect(calls).toBe(2);
  });

  test('is made before makeProviders resolves, asked for or not', async () => {
    const made: string[] = [];
    class Eager {
      constructor() {
        made.push('class');
      }
    }
    await make([Eager, { token: 'f', useFactory: () => made.push('factory') }]);
    expect(made).toEqual(['factory', 'class']);
  });

  test('wins over a value of the application, which is there before', async () => {
    const values = [
      ['log', 'default'],
      ['other', 'value'],
    ] as const;
    const providers: Provider[] = [
      { token: 'log', useValue: 'own' },
      { token: 'f', useFactory: (c) => c.resolve('other') },
    ];
    const { container } = await make(providers, { values });
    expect(container.resolve('log')).toBe('own');
    expect(container.resolve('f')).toBe('value');
  });

  test('leaves the container above alone', async () => {
    const parent = globalContainer.createChildContainer();
    parent.registerInstance('shared', 'above');
    const { container } = await make([Store, { token: 'n', useValue: 1 }], { parent });
    expect(parent.isRegistered(Store) || parent.isRegistered('n')).toBe(false);
    expect(container.resolve('shared')).toBe('above');
  });

  test('may be a class of which another provider, listed later, is the parameter', async () => {
    const { container } = await make([Users, { token: Store, useFactory: async () => new Store() }]);
    expect(container.resolve(Users).store).toBe(container.resolve(Store));
  });
});

describe('factories', () => {
  test('get the application’s container and are awaited one by one, in the order listed', async () => {
    const events: string[] = [];
    const factory = (name: string) => ({
      token: name,
      useFactory: async (c: DependencyContainer) => {
        events.push(`${name} starts`);
        await later();
        events.push(`${name} ends`);
        return c;
      },
    });
    const { container } = await make([factory('a'), factory('b')]);
    expect(events).toEqual(['a starts', 'a ends', 'b starts', 'b ends']);
    expect(container.resolve('a')).toBe(container);
  });

  test('may ask for what an earlier async one has made, after waiting too', async () => {
    const { container } = await make([
      { token: 'a', useFactory: async () => 1 },
      {
        token: 'b',
        useFactory: async (c) => {
          await later();
          return c.resolve<number>('a') + 1;
        },
      },
    ]);
    expect(container.resolve('b')).toBe(2);
  });

  test('may ask for a later one that is not async, and it runs once', async () => {
    let calls = 0;
    const { container } = await make([
      { token: 'a', useFactory: (c) => c.resolve<number>('b') },
      { token: 'b', useFactory: () => ++calls },
    ]);
    expect(container.resolve('a')).toBe(1);
    expect(calls).toBe(1);
  });

  test('that ask for a later async one are told to list it earlier, and it runs once and is disposed', async () => {
    const events: string[] = [];
    const error = await failure([
      { token: 'early', useFactory: (c) => c.resolve('late') },
      {
        token: 'late',
        useFactory: async () => {
          events.push('made');
          await later();
          return { dispose: () => events.push('disposed') };
        },
      },
    ]);
    expect(error.message).toBe(
      "Cannot make 'early' of AppModule: it asks for 'late' of AppModule, whose async factory has not finished; list 'late' before it, or in a module that is imported earlier",
    );
    expect(events).toEqual(['made', 'disposed']);
  });

  test('that construct a class which needs a later async one are told so with the chain', async () => {
    const error = await failure([
      { token: 'early', useFactory: (c) => c.resolve(Users) },
      Users,
      { token: Store, useFactory: async () => new Store() },
    ]);
    expect(error.chain).toEqual(["'early'", 'Users']);
    expect(error.message).toContain(
      'it asks for Store of AppModule, whose async factory has not finished; list Store before it',
    );
  });
});

test('a factory that was run early and rejects before its turn is reported in its turn', async () => {
  const error = await failure([
    {
      token: 'tolerant',
      useFactory: (c) => {
        try {
          c.resolve('rejecting');
        } catch {
          // It does without.
        }
      },
    },
    { token: 'slow', useFactory: () => later() },
    { token: 'rejecting', useFactory: () => Promise.reject(new Error('boom')) },
  ]);
  // Vitest fails the run if the rejection went unhandled in between.
  expect(error.message).toBe("Cannot make 'rejecting' of AppModule: boom");
});

describe('a provider that cannot be made', () => {
  const boom = new TypeError('boom');

  test.each<[string, Provider, string]>([
    [
      'a factory that throws',
      {
        token: 'f',
        useFactory: () => {
          throw boom;
        },
      },
      "Cannot make 'f' of AppModule: boom",
    ],
    [
      'a factory that rejects',
      { token: 'f', useFactory: () => Promise.reject(boom) },
      "Cannot make 'f' of AppModule: boom",
    ],
    [
      'a class that throws',
      {
        token: 'c',
        useClass: class {
          constructor() {
            throw boom;
          }
        },
      },
      "Cannot make 'c' of AppModule: boom",
    ],
  ])('is reported with token, module and cause: %s', async (_, provider, message) => {
    const error = await failure([provider]);
    expect(error.message).toBe(message);
    expect(error).toMatchObject({ code: 'ERR_REAGENT_PROVIDER', module: 'AppModule', cause: boom });
  });

  test('is reported as itself, with the chain, when another asked for it', async () => {
    class Broken {
      constructor() {
        throw boom;
      }
    }
    @injectable()
    class Middle {
      constructor(readonly broken: Broken) {}
    }
    @injectable()
    class Outer {
      constructor(readonly middle: Middle) {}
    }
    const error = await failure([Outer, Middle, Broken]);
    expect(error.message).toBe('Cannot make Broken of AppModule (Outer -> Middle -> Broken): boom');
    expect(error).toMatchObject({ token: 'Broken', chain: ['Outer', 'Middle', 'Broken'], cause: boom });
  });

  test('is reported with the one who asked when it is listed nowhere', async () => {
    class Broken {
      constructor() {
        throw boom;
      }
    }
    @injectable()
    class Outer {
      constructor(readonly broken: Broken) {}
    }
    const error = await failure([Outer]);
    expect(error.token).toBe('Outer');
    expect(error.message).toMatch(/Cannot make Outer of AppModule: .*"broken" at position #0[\s\S]*boom/);
  });

  test('is not blamed for a failure that another provider recovered from', async () => {
    class Broken {
      constructor() {
        throw new Error('recovered from');
      }
    }
    const error = await failure([
      {
        token: 'tolerant',
        useFactory: (c) => {
          try {
            c.resolve('broken');
          } catch {
            throw boom;
          }
        },
      },
      { token: 'broken', useClass: Broken },
    ]);
    expect(error).toMatchObject({ token: "'tolerant'", cause: boom });
  });

  test('of providers that ask for each other names the circle', async () => {
    const error = await failure([
      { token: 'a', useFactory: (c) => c.resolve('b') },
      { token: 'b', useFactory: (c) => c.resolve('a') },
    ]);
    expect(error.message).toMatch(/^Cannot make 'a' of AppModule \('a' -> 'b' -> 'a'\): it asks for itself; .*delay/);
    expect(
      (
        await failure([
          { token: 'x', useExisting: 'y' },
          { token: 'y', useExisting: 'x' },
        ])
      ).chain,
    ).toEqual(["'x'", "'y'", "'x'"]);
  });

  test('leaves nothing behind: what was made is disposed, last made first, before the error is seen', async () => {
    const disposed: string[] = [];
    const provider = (token: string): Provider => ({
      token,
      useFactory: () => ({
        async dispose() {
          await later();
          disposed.push(token);
        },
      }),
    });
    await failure([
      provider('a'),
      provider('b'),
      { token: 'bad', useFactory: () => Promise.reject(boom) },
      provider('c'),
    ]);
    expect(disposed).toEqual(['b', 'a']);
  });

  test('has what went wrong with disposal in its cause', async () => {
    const bad = { dispose: () => Promise.reject(new Error('stuck')) };
    const error = await failure([
      { token: 'a', useFactory: () => bad },
      { token: 'b', useFactory: () => Promise.reject(boom) },
    ]);
    expect(error.message).toContain('boom');
    expect((error.cause as AggregateError).errors).toEqual([
      boom,
      expect.objectContaining({ message: expect.stringContaining('stuck') }),
    ]);
  });
});

describe('connections', () => {
  @injectable()
  class PerConnection {
    constructor(
      readonly conn: Connection,
      readonly listener: Listener,
    ) {}
  }

  test.each([[Connection], [Listener]])('%o is refused to what lives as long as the application', async (token) => {
    const error = await failure([{ token: 'f', useFactory: (c) => c.resolve(token as never) }]);
    expect(error.message).toMatch(
      new RegExp(
        `^Cannot make 'f' of AppModule: a ${token.name} cannot be injected into what lives as long as the application; .*scope: 'connection'`,
      ),
    );
  });

  test('are refused through other classes too, without their part of the text', async () => {
    @injectable()
    class Service {
      constructor(readonly inner: PerConnection) {}
    }
    const error = await failure([Service]);
    expect(error.message).toMatch(/^Cannot make Service of AppModule: a Connection cannot be injected/);
  });

  test('are injected in the container of a connection, as is what is listed', async () => {
    @injectable()
    class Session {
      constructor(
        readonly inner: PerConnection,
        readonly store: Store,
      ) {}
    }
    const { container } = await make([Store]);
    const child = container.createChildContainer();
    const conn = {} as Connection;
    const listener = {} as Listener;
    child.registerInstance(Connection as never, conn as never);
    child.registerInstance(Listener as never, listener as never);
    const session = child.resolve(Session);
    expect(session.inner.conn).toBe(conn);
    expect(session.inner.listener).toBe(listener);
    expect(session.store).toBe(container.resolve(Store));
  });

  test('have their own instance of what is scoped to the container', async () => {
    @scoped(Lifecycle.ContainerScoped)
    class Scoped {}
    const { container } = await make([]);
    const [a, b] = [container.createChildContainer(), container.createChildContainer()];
    expect(a.resolve(Scoped)).toBe(a.resolve(Scoped));
    expect(a.resolve(Scoped)).not.toBe(b.resolve(Scoped));
  });

  test('dispose what was made for them, and nothing of the application', async () => {
    const disposed: string[] = [];
    class Shared {
      dispose() {
        disposed.push('shared');
      }
    }
    @injectable()
    class Own {
      constructor(readonly shared: Shared) {}
      dispose() {
        disposed.push('own');
      }
    }
    const { container } = await make([Shared]);
    const child = container.createChildContainer();
    child.resolve(Own);
    await child.dispose();
    expect(disposed).toEqual(['own']);
  });
});

describe('@singleton()', () => {
  @singleton()
  class Clock {
    constructor(readonly store: Store) {}
  }

  @injectable()
  class Watcher {
    constructor(readonly clock: Clock) {}
  }

  test('is one instance per application without being listed, however it is asked for', async () => {
    const first = await make([Store, Watcher]);
    const second = await make([Store]);
    const clock = first.container.resolve(Clock);
    expect(first.container.resolve(Watcher).clock).toBe(clock);
    expect(first.container.createChildContainer().resolve(Watcher).clock).toBe(clock);
    expect(clock.store).toBe(first.container.resolve(Store));
    expect(second.container.resolve(Clock)).not.toBe(clock);
  });

  test('is one instance of the process outside of any application', () => {
    expect(globalContainer.resolve(Clock)).toBe(globalContainer.createChildContainer().resolve(Clock));
  });

  test('is replaced by what is listed or registered for it', async () => {
    const listed = await make([{ token: Clock, useValue: 'listed' }, Watcher]);
    expect(listed.container.resolve(Watcher).clock).toBe('listed');
    const parent = globalContainer.createChildContainer();
    parent.registerInstance(Clock as never, 'registered' as never);
    const registered = await make([Watcher], { parent });
    expect(registered.container.resolve(Watcher).clock).toBe('registered');
  });

  test('made for a connection lives as long as the application, and cannot ask for the connection', async () => {
    const disposed: string[] = [];
    @singleton()
    class Lasting {
      dispose() {
        disposed.push('lasting');
      }
    }
    @singleton()
    class Wrong {
      constructor(readonly conn: Connection) {}
    }
    const set = await make([]);
    const child = set.container.createChildContainer();
    child.registerInstance(Connection as never, {} as never);
    child.resolve(Lasting);
    expect(() => child.resolve(Wrong)).toThrow(/^Cannot make Wrong: a Connection cannot be injected/);
    await child.dispose();
    expect(disposed).toEqual([]);
    await set.dispose();
    expect(disposed).toEqual(['lasting']);
  });
});

describe('makeReagents', () => {
  @Reagent({ port: 0 })
  class Echo {
    constructor(readonly store: Store) {}
    @OnData() echo() {}
  }

  @Reagent({ port: 0 })
  class Admin {
    constructor(readonly echo: Echo) {}
    @OnData() answer() {}
  }

  test('makes one instance of each, in the container too, whatever the order', async () => {
    const set = await make([Store]);
    const [admin, echo] = set.makeReagents([Admin, Echo]) as [Admin, Echo];
    expect(admin.echo).toBe(echo);
    expect(set.container.resolve(Echo)).toBe(echo);
    expect(echo.store).toBe(set.container.resolve(Store));
    expect(set.makeReagents([Echo])).toEqual([echo]);
  });

  test('gives what is listed for the class instead', async () => {
    const fake = { echo() {} };
    const set = await make([Store, { token: Echo, useValue: fake }]);
    expect(set.makeReagents([Echo])).toEqual([fake]);
  });

  test('throws a ProviderError with chain and cure', async () => {
    @Reagent({ port: 0 })
    class Session {
      constructor(readonly conn: Connection) {}
      @OnData() echo() {}
    }
    @Reagent({ port: 0 })
    class Broken {
      constructor() {
        throw new Error('boom');
      }
      @OnData() echo() {}
    }
    const set = await make([]);
    expect(() => set.makeReagents([Session])).toThrow(
      /^Cannot make Session: a Connection cannot be injected .*scope: 'connection'/,
    );
    expect(() => set.makeReagents([Broken])).toThrow(/^Cannot make Broken: boom$/);
  });

  test('can be called again after a failure', async () => {
    let broken = true;
    @Reagent({ port: 0 })
    class Shaky {
      constructor() {
        if (broken) throw new Error('boom');
      }
      @OnData() echo() {}
    }
    const set = await make([]);
    expect(() => set.makeReagents([Shaky])).toThrow('boom');
    broken = false;
    expect(set.makeReagents([Shaky])[0]).toBeInstanceOf(Shaky);
  });

  test('lets providers ask for a reagent later', async () => {
    @injectable()
    class Lazy {
      constructor(@inject(delay(() => Echo)) readonly echo: Echo) {}
    }
    const set = await make([Store, Lazy]);
    const [echo] = set.makeReagents([Echo]) as [Echo];
    expect(set.container.resolve(Lazy).echo.store).toBe(echo.store);
  });
});

describe('dispose', () => {
  const disposed: string[] = [];

  class Base {
    async dispose() {
      await later();
      disposed.push(this.constructor.name);
    }
  }
  class Database extends Base {}
  @injectable()
  class Helper extends Base {
    constructor(readonly database: Database) {
      super();
    }
  }
  @injectable()
  class Service extends Base {
    constructor(readonly helper: Helper) {
      super();
    }
  }
  @Reagent({ port: 0 })
  class Server extends Base {
    constructor(readonly service: Service) {
      super();
    }
    @OnData() echo() {}
  }

  test('disposes one after the other, last made first, also what is listed nowhere', async () => {
    disposed.length = 0;
    const set = await make([
      Service,
      Database,
      { token: 'f', useFactory: () => new (class Factory extends Base {})() },
    ]);
    set.makeReagents([Server]);
    await set.dispose();
    expect(disposed).toEqual(['Server', 'Service', 'Helper', 'Database', 'Factory']);
  });

  test('disposes what was resolved afterwards', async () => {
    disposed.length = 0;
    const set = await make([Database]);
    set.container.resolve(Helper);
    await set.dispose();
    expect(disposed).toEqual(['Helper', 'Database']);
  });

  test('disposes each once, however many names it has and however often it is called', async () => {
    disposed.length = 0;
    const set = await make([
      { token: 'a', useExisting: Database },
      Database,
      { token: 'b', useFactory: (c) => c.resolve(Database) },
    ]);
    await Promise.all([set.dispose(), set.dispose()]);
    await set.dispose();
    expect(disposed).toEqual(['Database']);
  });

  test('leaves alone what was made elsewhere, and what is no disposal', async () => {
    const events: string[] = [];
    const value = { dispose: () => events.push('value') };
    const parent = globalContainer.createChildContainer();
    parent.registerInstance('above', { dispose: () => events.push('above') });
    const set = await make(
      [
        { token: 'another name', useExisting: 'above' },
        { token: 'value', useValue: value },
        { token: 'alias', useExisting: 'value' },
        { token: 'factory', useFactory: (c) => c.resolve('value') },
        { token: 'other', useFactory: () => ({ dispose: (_what: string) => events.push('wants a parameter') }) },
      ],
      { parent, values: [['given', value]] },
    );
    await set.dispose();
    expect(events).toEqual([]);
  });

  test('tries all, and throws all that was thrown', async () => {
    const events: string[] = [];
    const provider = (token: string, dispose: () => unknown): Provider => ({ token, useFactory: () => ({ dispose }) });
    const set = await make([
      provider('a', () => events.push('a')),
      provider('b', () => Promise.reject(new Error('b is stuck'))),
      provider('c', () => {
        throw new Error('c is stuck');
      }),
      provider('d', () => events.push('d')),
    ]);
    const error: unknown = await set.dispose().catch((reason: unknown) => reason);
    expect(events).toEqual(['d', 'a']);
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors.map(({ message }) => message)).toEqual(['c is stuck', 'b is stuck']);
    expect((error as AggregateError).message).toContain('b is stuck');
  });
});
