import { describe, expect, test } from 'vitest';
import type { Constructor } from '../decorators/metadata.js';
import { Module, type ModuleDefinition, type ModuleImport } from '../decorators/module.js';
import { OnData } from '../decorators/on-data.js';
import { Reagent } from '../decorators/reagent.js';
import { readModules } from './modules.js';

class Store {}
class Users {}

@Reagent({ port: 0 })
class Echo {
  @OnData() echo() {}
}

@Reagent({ port: 0 })
class Chat {
  @OnData() chat() {}
}

/** A module class of that name. */
function module(name: string, definition: ModuleDefinition = {}): Constructor {
  const target = { [name]: class {} }[name] as Constructor;
  Module(definition)(target);
  return target;
}

/** What is listed, as `token by module`, and that there is no problem. */
function providers(root: ModuleImport): string[] {
  const contents = readModules(root);
  expect(contents.problems).toEqual([]);
  return contents.providers.map(
    ({ token, module }) => `${typeof token === 'function' ? (token as Constructor).name : String(token)} by ${module}`,
  );
}

/** The problems of a module with this definition, as `place: message`. */
function problems(definition: object): string[] {
  return problemsOf(module('AppModule', definition as ModuleDefinition));
}

function problemsOf(root: unknown): string[] {
  return readModules(root as ModuleImport).problems.map(({ where, path, message }) => `${where} ${path}: ${message}`);
}

describe('readModules', () => {
  test('lists what imported modules have before what the importing one has', () => {
    const inner = module('Inner', { providers: [{ token: 'inner', useValue: 1 }], reagents: [Chat] });
    const middle = module('Middle', { imports: [inner], providers: [{ token: 'middle', useValue: 1 }] });
    const root = module('Root', { imports: [middle], providers: [Store], reagents: [Echo] });
    expect(providers(root)).toEqual(['inner by Inner', 'middle by Middle', 'Store by Root']);
    expect(readModules(root).reagents).toEqual([Chat, Echo]);
  });

  test('takes a class as the provider of itself', () => {
    expect(readModules(module('Root', { providers: [Store] })).providers).toEqual([
      { token: Store, form: { token: Store, useClass: Store }, module: 'Root' },
    ]);
  });

  test('counts a module once, and a reagent once, however often they are imported', () => {
    const shared = module('Shared', { providers: [Store], reagents: [Echo] });
    const left = module('Left', { imports: [shared] });
    const right = module('Right', { imports: [shared, shared], reagents: [Echo] });
    const contents = readModules(module('Root', { imports: [left, right] }));
    expect(contents).toMatchObject({ providers: [{ token: Store }], reagents: [Echo], problems: [] });
  });

  test('a module that is imported again does not take back what was replaced since, nor repeat its problems', () => {
    const shared = module('Shared', { providers: [{ token: 'url', useValue: 'shared' }, undefined as never] });
    const left = module('Left', { imports: [shared], providers: [{ token: 'url', useValue: 'left' }] });
    const right = module('Right', { imports: [shared] });
    const contents = readModules(module('Root', { imports: [left, right] }));
    expect(contents.providers).toMatchObject([{ token: 'url', module: 'Left' }]);
    expect(contents.problems).toHaveLength(1);
  });

  test("the importing module's provider of a token takes the place of the imported one's", () => {
    const inner = module('Inner', { providers: [{ token: 'url', useValue: 'real' }, Store] });
    const root = module('Root', { imports: [inner], providers: [Users, { token: 'url', useValue: 'other' }] });
    expect(providers(root)).toEqual(['url by Root', 'Store by Inner', 'Users by Root']);
    expect(readModules(root).providers[0]?.form).toEqual({ token: 'url', useValue: 'other' });
  });

  test('the later provider of a token wins within a list', () => {
    const root = module('Root', {
      providers: [
        { token: 'n', useValue: 1 },
        { token: 'n', useValue: 2 },
      ],
    });
    expect(readModules(root).providers).toEqual([{ token: 'n', form: { token: 'n', useValue: 2 }, module: 'Root' }]);
  });

  test('a dynamic module adds to what its class says, and wins over it', () => {
    const extra = module('Extra', { providers: [{ token: 'extra', useValue: 1 }] });
    const store = module('StoreModule', { providers: [{ token: 'path', useValue: 'default' }, Store] });
    const dynamic = {
      module: store,
      imports: [extra],
      providers: [{ token: 'path', useValue: 'given' }],
      reagents: [Echo],
    };
    const root = module('Root', { imports: [dynamic] });
    expect(providers(root)).toEqual(['extra by Extra', 'path by StoreModule', 'Store by StoreModule']);
    const contents = readModules(root);
    expect(contents.providers[1]?.form).toMatchObject({ useValue: 'given' });
    expect(contents.reagents).toEqual([Echo]);
  });

  test('two dynamic modules of one class both count, and their class once', () => {
    const feature = module('Feature', { reagents: [Echo], providers: [Store] });
    const first = { module: feature, providers: [{ token: 'first', useValue: 1 }] };
    const second = { module: feature, providers: [{ token: 'second', useValue: 2 }] };
    expect(providers(module('Root', { imports: [first, second, first, feature] }))).toEqual([
      'Store by Feature',
      'first by Feature',
      'second by Feature',
    ]);
  });

  test('the root may be a dynamic module', () => {
    const root = module('Root', { providers: [{ token: 'n', useValue: 1 }] });
    expect(readModules({ module: root, providers: [{ token: 'n', useValue: 2 }] }).providers).toMatchObject([
      { form: { useValue: 2 } },
    ]);
  });

  test('a module class inherits what the one it extends says', () => {
    const base = module('Base', { providers: [Store] });
    class Derived extends base {}
    expect(providers(Derived)).toEqual(['Store by Derived']);
  });
});

describe('modules that import each other are reported with the chain', () => {
  test('a circle', () => {
    const imports: ModuleImport[] = [];
    const c = module('C', { imports });
    const b = module('B', { imports: [c] });
    const a = module('A', { imports: [b] });
    imports.push(a);
    expect(problemsOf(a)).toEqual([
      'C imports[0]: the modules import each other: A -> B -> C -> A; move what they share into a module that they all import',
    ]);
    imports[0] = b;
    expect(problemsOf(a)[0]).toContain('B -> C -> B');
  });

  test('a module that imports itself, and a dynamic one', () => {
    const imports: ModuleImport[] = [];
    const a = module('A', { imports });
    imports.push(a);
    expect(problemsOf(a)[0]).toContain('each other: A -> A;');
    imports[0] = { module: a };
    expect(problemsOf(a)[0]).toContain('each other: A -> A;');
    expect(problemsOf({ module: a })[0]).toContain('each other: A -> A;');
  });
});

describe('what cannot be listed is refused with its place and the cure', () => {
  test.each([
    [
      { imports: [undefined] },
      'AppModule imports[0]: is undefined, which happens when two files import each other: move what both need into a third file',
    ],
    [
      { imports: [module('Fine'), Store] },
      'AppModule imports[1]: Store has no @Module; add @Module({ … }) to the class, or list it in providers if it is a service',
    ],
    [
      { imports: [Echo] },
      'AppModule imports[0]: Echo is a reagent, not a module; list it in reagents, or pass it to start()',
    ],
    [
      { imports: [{ module: Store }] },
      'AppModule imports[0]: Store has no @Module; add @Module({ … }) to the class, or list it in providers if it is a service',
    ],
    [
      { imports: [{ module: undefined }] },
      'AppModule imports[0]: its module is undefined, which happens when two files import each other: move what both need into a third file',
    ],
    [
      { imports: [{ providers: [] }] },
      'AppModule imports[0]: expected a module, received { providers: [] }; list a class with @Module or { module: SomeModule, … }',
    ],
    [
      { imports: [Promise.resolve()] },
      'AppModule imports[0]: is a promise; await it before it is listed, or use a provider with an async factory instead',
    ],
    [{ imports: Store }, 'AppModule imports: expected a list, received [class Store]; put it in brackets'],
    [
      { reagents: [undefined] },
      'AppModule reagents[0]: is undefined, which happens when two files import each other: move what both need into a third file',
    ],
    [
      { reagents: [Store] },
      'AppModule reagents[0]: Store has no @Reagent; add @Reagent({ port: … }) to the class, or list it in providers if it is a service',
    ],
    [{ reagents: [module('Other')] }, 'AppModule reagents[0]: Other is a module; list it in imports'],
    [{ reagents: ['Echo'] }, "AppModule reagents[0]: expected a class with @Reagent, received 'Echo'"],
    [
      { providers: [undefined] },
      'AppModule providers[0]: is undefined, which happens when two files import each other: move what both need into a third file',
    ],
    [{ providers: [module('Other')] }, 'AppModule providers[0]: Other is a module; list it in imports'],
    [
      { providers: [Echo] },
      'AppModule providers: Echo is a reagent, and as a provider it gets no listener; list it in reagents',
    ],
    [
      { providers: ['x'] },
      "AppModule providers[0]: expected a class, or { token, useClass | useValue | useFactory | useExisting }, received 'x'",
    ],
    [
      { providers: [{ provide: 'x', useValue: 1 }] },
      expect.stringMatching(/say which token it provides: token, not provide$/),
    ],
    [{ providers: [{ useValue: 1 }] }, expect.stringMatching(/say which token it provides$/)],
    [{ providers: [{ token: undefined, useValue: 1 }] }, expect.stringContaining('its token is undefined')],
    [{ providers: [{ token: 'x' }] }, expect.stringMatching(/say how to get the value$/)],
    [
      { providers: [{ token: 'x', useValue: 1, useClass: Store }] },
      'AppModule providers[0]: expected one way to get the value, received useClass and useValue; keep one',
    ],
    [{ providers: [{ token: 'x', useClass: undefined }] }, expect.stringContaining('its useClass is undefined')],
    [{ providers: [{ token: 'x', useExisting: undefined }] }, expect.stringContaining('its useExisting is undefined')],
    [
      { providers: [{ token: 'x', useValue: 5, process: 'primary' as 'worker' }] },
      "AppModule providers[0]: expected its process to be 'worker', 'supervisor' or 'all', received 'primary'",
    ],
    [
      { providers: [{ token: 'x', useFactory: 5 }] },
      'AppModule providers[0]: expected its useFactory to be a function, received 5',
    ],
    [
      { providers: [{ token: 'x', useClass: {} }] },
      'AppModule providers[0]: expected its useClass to be a class, received {}',
    ],
  ])('%#: %o', (definition, problem) => {
    expect(problems(definition)).toEqual([problem]);
  });

  test('undefined is a value like any other', () => {
    expect(problems({ providers: [{ token: 'x', useValue: undefined }] })).toEqual([]);
  });

  test('a reagent may be provided if it is listed as a reagent too', () => {
    expect(problems({ providers: [Echo], reagents: [Echo] })).toEqual([]);
    expect(problems({ providers: [{ token: Echo, useValue: {} }], reagents: [Echo] })).toEqual([]);
  });

  test('the root itself', () => {
    expect(problemsOf(Store)).toEqual([expect.stringMatching(/Store.*: Store has no @Module/)]);
    expect(problemsOf(Echo)[0]).toContain('pass it to start()');
    expect(problemsOf(undefined)[0]).toContain('is undefined');
  });

  test('all that is wrong is reported, and the rest is read', () => {
    const root = module('AppModule', {
      imports: [Store as never],
      providers: [undefined as never, Users],
      reagents: [Store],
    });
    const contents = readModules(root);
    expect(contents.problems).toHaveLength(3);
    expect(contents.providers).toMatchObject([{ token: Users }]);
  });
});
