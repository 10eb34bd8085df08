import 'reflect-metadata';
import { delay, container as globalContainer, inject, injectAll, injectable } from 'tsyringe';
import { describe, expect, test } from 'vitest';
import { Connection } from '../connection/connection.js';
import type { Constructor } from '../decorators/metadata.js';
import { Module, type Provider } from '../decorators/module.js';
import { OnData } from '../decorators/on-data.js';
import { Reagent } from '../decorators/reagent.js';
import { singleton } from '../decorators/singleton.js';
import { Listener } from '../listener/listener.js';
import { type InjectionContext, injectionProblems } from './injection.js';
import { readModules } from './modules.js';

/** The problems of an application with these providers and reagents, as `class: message`. */
function problems(
  providers: readonly Provider[],
  reagents: readonly Constructor[] = [],
  context: Partial<InjectionContext> = {},
): string[] {
  class AppModule {}
  Module({ providers })(AppModule);
  const { providers: listed } = readModules(AppModule);
  const parent = globalContainer.createChildContainer();
  return injectionProblems(listed, reagents, { parent, ...context }).map(
    ({ where, message }) => `${where}: ${message}`,
  );
}

/** The class without the metadata that a compiler writes for its constructor, as esbuild leaves it. */
function withoutMetadata<T extends Constructor>(target: T): T {
  Reflect.deleteMetadata('design:paramtypes', target);
  return target;
}

class Plain {}

@injectable()
class Store {
  constructor(readonly plain: Plain) {}
}

describe('what can be injected', () => {
  test('classes, named tokens that something provides, and values of the application', () => {
    @injectable()
    class Users {
      constructor(
        readonly store: Store,
        @inject('url') readonly url: string,
        @inject(Symbol.for('limit')) readonly limit: number,
        @injectAll('plugin') readonly plugins: unknown[],
        @inject('missing', { isOptional: true }) readonly missing: unknown,
        @inject(delay(() => Store)) readonly later: Store,
      ) {}
    }
    const parent = globalContainer.createChildContainer();
    parent.registerInstance('plugin', 1);
    const values = [[Symbol.for('limit'), 5]] as const;
    expect(problems([Users, { token: 'url', useValue: 'x' }], [], { parent, values })).toEqual([]);
  });

  test('a class without a decorator and without parameters', () => {
    expect(problems([Plain])).toEqual([]);
  });

  test('a class whose parameters have default values and no types', () => {
    class Limited {
      constructor(readonly limit = 5) {}
    }
    expect(problems([Limited])).toEqual([]);
  });

  test('a class compiled without metadata that names each parameter', () => {
    class Users {
      constructor(readonly store: Store) {}
    }
    inject(Store)(Users, undefined, 0);
    expect(problems([withoutMetadata(Users)])).toEqual([]);
  });

  test('a test double that extends a class and wants none of its parameters', () => {
    @injectable()
    class Needy {
      constructor(@inject('nobody provides it') readonly url: string) {}
    }
    class Double extends Needy {
      constructor() {
        super('x');
      }
    }
    expect(problems([{ token: Needy, useClass: Double }])).toEqual([]);
    expect(globalContainer.resolve(Double).url).toBe('x');
  });

  test('connections in a reagent, and in what only reagents ask for', () => {
    @injectable()
    class PerConnection {
      constructor(
        readonly conn: Connection,
        readonly listener: Listener,
      ) {}
    }
    @Reagent({ port: 0, scope: 'connection' })
    class Session {
      constructor(
        readonly conn: Connection,
        readonly listener: Listener,
        readonly more: PerConnection,
      ) {}
      @OnData() echo() {}
    }
    expect(problems([], [Session])).toEqual([]);
  });
});

describe('parameters whose types are not known', () => {
  class Undecorated {
    constructor(
      readonly store: Store,
      readonly plain: Plain,
    ) {}
  }
  const cure =
    /^Undecorated: the types of its constructor's parameters are not known at run time; the class has no decorator, or .*esbuild and tsx.*add @injectable\(\).*emitDecoratorMetadata.*@inject\(Token\)$/;

  test('are reported once for a provider, with both causes', () => {
    expect(problems([Undecorated])).toEqual([expect.stringMatching(cure)]);
  });

  test('are reported for a class that another leads to', () => {
    @injectable()
    class Outer {
      constructor(readonly inner: Undecorated) {}
    }
    expect(problems([Outer])).toEqual([expect.stringMatching(cure)]);
    expect(problems([Outer, { token: Undecorated, useValue: {} }])).toEqual([]);
  });

  test('are the fault of the compiler in a reagent', () => {
    @Reagent({ port: 0 })
    class Echo {
      constructor(readonly store: Store) {}
      @OnData() echo() {}
    }
    const [problem] = problems([], [withoutMetadata(Echo)]);
    expect(problem).toMatch(
      /^Echo: the types of its constructor's parameters are not known.*what compiles the class writes no metadata/,
    );
    expect(problem).not.toContain('@injectable()');
  });

  test('are reported if only some are named', () => {
    class Half {
      constructor(
        readonly store: Store,
        readonly plain: Plain,
      ) {}
    }
    inject(Plain)(Half, undefined, 1);
    expect(problems([Half])).toEqual([expect.stringContaining('not known at run time')]);
  });
});

describe('parameters that cannot be injected are reported with the chain and the cure', () => {
  interface Options {
    readonly a: number;
  }

  test('an interface', () => {
    @injectable()
    class Users {
      constructor(
        readonly store: Store,
        readonly options: Options,
      ) {}
    }
    expect(problems([Users])).toEqual([
      expect.stringMatching(
        /^Users: parameter 2 of the constructor asks for a type that does not exist at run time: an interface,.*"import type".*@inject\(Token\)$/,
      ),
    ]);
  });

  test.each([[String], [Number], [Array], [Function], [Map], [Promise]])('a %o', (type) => {
    class Users {
      constructor(readonly value: unknown) {}
    }
    Reflect.defineMetadata('design:paramtypes', [type], Users);
    expect(problems([Users])).toEqual([
      expect.stringContaining(`parameter 1 of the constructor asks for a ${type.name}, which says too little`),
    ]);
  });

  test('a token that nothing provides', () => {
    @injectable()
    class Inner {
      constructor(@inject('url') readonly url: string) {}
    }
    @injectable()
    class Outer {
      constructor(readonly inner: Inner) {}
    }
    expect(problems([Outer])).toEqual([
      "Outer: parameter 1 of the constructor of Outer -> Inner asks for 'url', which nothing provides; list { token: 'url', useValue: … } in a module, or use useFactory or useClass",
    ]);
  });

  test('another name of a token that nothing provides', () => {
    expect(problems([{ token: 'a', useExisting: 'b' }])).toEqual([
      "AppModule: 'a' is another name of 'b', which nothing provides; list a provider of it",
    ]);
    expect(
      problems([
        { token: 'a', useExisting: 'b' },
        { token: 'b', useValue: 1 },
      ]),
    ).toEqual([]);
  });

  test('a fault is reported once, however many ask', () => {
    @injectable()
    class Inner {
      constructor(@inject('url') readonly url: string) {}
    }
    @injectable()
    class A {
      constructor(readonly inner: Inner) {}
    }
    @injectable()
    class B {
      constructor(readonly inner: Inner) {}
    }
    @Reagent({ port: 0 })
    class Echo {
      constructor(readonly inner: Inner) {}
      @OnData() echo() {}
    }
    expect(problems([A, B], [Echo])).toHaveLength(1);
  });
});

describe('what lives as long as the application', () => {
  @injectable()
  class PerConnection {
    constructor(readonly conn: Connection) {}
  }

  test('cannot ask for a connection', () => {
    expect(problems([PerConnection])).toEqual([
      expect.stringMatching(
        /^PerConnection: parameter 1 of the constructor asks for a Connection, which a provider cannot have because it outlives it; .*scope: 'connection'.*ContainerScoped/,
      ),
    ]);
  });

  test('cannot ask for it through others either, even if a reagent may', () => {
    @injectable()
    class Service {
      constructor(readonly inner: PerConnection) {}
    }
    @Reagent({ port: 0, scope: 'connection' })
    class Session {
      constructor(readonly inner: PerConnection) {}
      @OnData() echo() {}
    }
    const expected = [
      expect.stringMatching(
        /^Service: parameter 1 of the constructor of Service -> PerConnection asks for a Connection/,
      ),
    ];
    expect(problems([Service], [Session])).toEqual(expected);
  });

  test('includes classes with @singleton()', () => {
    @singleton()
    class Alone {
      constructor(readonly listener: Listener) {}
    }
    @Reagent({ port: 0, scope: 'connection' })
    class Session {
      constructor(readonly alone: Alone) {}
      @OnData() echo() {}
    }
    expect(problems([], [Session])).toEqual([expect.stringMatching(/^Alone: parameter 1 .* asks for a Listener/)]);
  });

  test('is told of a connection that something else may have', () => {
    @singleton()
    class Alone {
      constructor(readonly inner: PerConnection) {}
    }
    @Reagent({ port: 0, scope: 'connection' })
    class Session {
      constructor(
        readonly inner: PerConnection,
        readonly alone: Alone,
      ) {}
      @OnData() echo() {}
    }
    expect(problems([], [Session])).toEqual([
      expect.stringMatching(/^Alone: parameter 1 of the constructor of Alone -> PerConnection asks for a Connection/),
    ]);
  });

  test('cannot ask for a reagent, which is made later', () => {
    @Reagent({ port: 0 })
    class Echo {
      @OnData() echo() {}
    }
    @injectable()
    class Service {
      constructor(readonly echo: Echo) {}
    }
    @injectable()
    class Lazy {
      constructor(@inject(delay(() => Echo)) readonly echo: Echo) {}
    }
    expect(problems([Service, Lazy], [Echo])).toEqual([
      expect.stringMatching(
        /^Service: parameter 1 .* asks for the reagent Echo, and providers are made before reagents; .*delay/,
      ),
    ]);
    expect(problems([Service, { token: Echo, useValue: {} }], [Echo])).toEqual([]);
  });
});

describe('classes that tsyringe does not know are made known to it', () => {
  test('by the types that another decorator had written', () => {
    const other: ClassDecorator = () => {};
    @other
    class Users {
      constructor(readonly store: Store) {}
    }
    expect(problems([Users])).toEqual([]);
    expect(globalContainer.resolve(Users).store).toBeInstanceOf(Store);
  });

  test('by the constructor they inherit, with the tokens of its parameters', () => {
    @injectable()
    class Base {
      constructor(
        readonly store: Store,
        @inject('url') readonly url: string,
      ) {}
    }
    class Derived extends Base {}
    const parent = globalContainer.createChildContainer();
    parent.registerInstance('url', 'here');
    expect(problems([Derived], [], { parent })).toEqual([]);
    // A second application looks at the same class.
    expect(problems([Derived], [], { parent })).toEqual([]);
    expect(parent.resolve(Derived)).toMatchObject({ store: expect.any(Store), url: 'here' });
  });

  test('by inherited tokens without any metadata', () => {
    class Base {
      constructor(readonly store: Store) {}
    }
    inject(Store)(Base, undefined, 0);
    withoutMetadata(Base);
    class Derived extends Base {}
    expect(problems([Derived])).toEqual([]);
    expect(problems([Derived])).toEqual([]);
    expect(globalContainer.resolve(Derived).store).toBeInstanceOf(Store);
  });
});
