// Modules: from the root through its imports to one list of providers and one of reagents.

import { inspect } from 'node:util';
import { type Constructor, nameOf } from '../decorators/metadata.js';
import {
  type DynamicModule,
  type ModuleDefinition,
  type ModuleImport,
  moduleOf,
  type Provider,
  type ProviderProcess,
} from '../decorators/module.js';
import { reagentOf } from '../decorators/reagent.js';
import type { Problem } from '../errors.js';
import type { InjectionToken } from '../tsyringe.js';

/** How a listed provider gets its value. A class that is listed by itself is a `useClass` of its own token. */
export type ProviderForm = Exclude<Provider, Constructor>;

/** A provider with the module that lists it. */
export interface ListedProvider {
  readonly token: InjectionToken<unknown>;
  readonly form: ProviderForm;
  /** The name of the module, for messages. */
  readonly module: string;
}

/** Which process of an application with workers it is; `undefined` without workers. */
export type ProcessKind = Exclude<ProviderProcess, 'all'> | undefined;

/** Whether such a process makes a provider. */
export function isMadeIn(process: ProcessKind, { form }: ListedProvider): boolean {
  return process === undefined || form.process === 'all' || (form.process ?? 'worker') === process;
}

/** What the modules of an application come to. */
export interface ModuleContents {
  /** One for each token, in the order in which the tokens are first listed: imported modules before those that import them. */
  readonly providers: readonly ListedProvider[];
  /** Each class once, in the same order. */
  readonly reagents: readonly Constructor[];
  readonly problems: readonly Problem[];
}

/**
 * Reads a module and all that it imports.
 *
 * A module class counts once however often it is imported, a dynamic module once for each object. Where a token is provided twice, the
 * importing module's provider takes the place of the imported one's, and a later one in a list that of an earlier one.
 */
export function readModules(root: ModuleImport): ModuleContents {
  const reader = new ModuleReader();
  reader.readImport(root, undefined);
  return reader.contents();
}

const circular = 'is undefined, which happens when two files import each other: move what both need into a third file';

const processes: readonly unknown[] = ['worker', 'supervisor', 'all'] satisfies ProviderProcess[];

const fields: readonly string[] = ['imports', 'providers', 'reagents'] satisfies (keyof ModuleDefinition)[];

class ModuleReader {
  readonly #providers = new Map<unknown, ListedProvider>();
  readonly #reagents = new Set<Constructor>();
  readonly #problems: Problem[] = [];
  /** The modules that are being read, the root first. */
  readonly #path: ModuleImport[] = [];
  readonly #read = new Set<ModuleImport>();

  contents(): ModuleContents {
    for (const { token, form, module } of this.#providers.values()) {
      if (
        'useClass' in form &&
        form.useClass === token &&
        reagentOf(form.useClass) !== undefined &&
        !this.#reagents.has(form.useClass)
      ) {
        this.#report(
          module,
          'providers',
          `${nameOf(form.useClass)} is a reagent, and as a provider it gets no listener; list it in reagents`,
        );
      }
    }
    return { providers: [...this.#providers.values()], reagents: [...this.#reagents], problems: this.#problems };
  }

  /** `place` says which entry of which module's imports it is; the root is none. */
  readImport(entry: ModuleImport, place: { where: string; path: string } | undefined): void {
    const fault = faultOfImport(entry);
    if (fault !== undefined) {
      this.#report(place?.where ?? describe(entry), place?.path ?? '', fault);
      return;
    }
    if (this.#path.includes(entry)) {
      // A dynamic module and its class are two steps with one name.
      const cycle = this.#path.slice(this.#path.indexOf(entry)).map(moduleName);
      const chain = [...cycle.filter((name, index) => name !== cycle[index - 1]), moduleName(entry)].join(' -> ');
      const fault = `the modules import each other: ${chain}; move what they share into a module that they all import`;
      this.#report(place?.where ?? moduleName(entry), place?.path ?? '', fault);
      return;
    }
    if (this.#read.has(entry)) return;
    this.#read.add(entry);
    this.#path.push(entry);
    if (typeof entry === 'function') this.#readClass(entry);
    else this.#readDynamic(entry);
    this.#path.pop();
  }

  #readClass(target: Constructor): void {
    const definition = moduleOf(target) ?? {};
    const where = nameOf(target);
    this.#checkFields(where, definition);
    this.#readImports(where, definition.imports);
    this.#readProviders(where, definition.providers);
    this.#readReagents(where, definition.reagents);
  }

  /** What a dynamic module adds comes after what its class says, and so wins; what it imports comes before. */
  #readDynamic(entry: DynamicModule): void {
    const where = nameOf(entry.module);
    const { module: _, ...definition } = entry;
    this.#checkFields(where, definition);
    this.#readImports(where, entry.imports);
    this.readImport(entry.module, { where, path: '' });
    this.#readProviders(where, entry.providers);
    this.#readReagents(where, entry.reagents);
  }

  #checkFields(where: string, definition: object): void {
    for (const field of Object.keys(definition)) {
      if (fields.includes(field)) continue;
      this.#report(where, field, `is no field of a module; it has ${fields.join(', ')}`);
    }
  }

  #readImports(where: string, imports: readonly ModuleImport[] | undefined): void {
    for (const [index, entry] of this.#list(where, 'imports', imports).entries()) {
      this.readImport(entry, { where, path: `imports[${index}]` });
    }
  }

  #readProviders(where: string, providers: readonly Provider[] | undefined): void {
    for (const [index, provider] of this.#list(where, 'providers', providers).entries()) {
      const fault = faultOfProvider(provider);
      if (fault === undefined) {
        const form: ProviderForm = typeof provider === 'function' ? { token: provider, useClass: provider } : provider;
        // Abstract classes serve as tokens too; tsyringe's type does not say so.
        const token = form.token as InjectionToken<unknown>;
        this.#providers.set(token, { token, form, module: where });
      } else {
        this.#report(where, `providers[${index}]`, fault);
      }
    }
  }

  #readReagents(where: string, reagents: readonly Constructor[] | undefined): void {
    for (const [index, target] of this.#list(where, 'reagents', reagents).entries()) {
      const fault = faultOfReagent(target);
      if (fault === undefined) this.#reagents.add(target);
      else this.#report(where, `reagents[${index}]`, fault);
    }
  }

  #list<T>(where: string, field: string, list: readonly T[] | undefined): readonly T[] {
    if (list === undefined || Array.isArray(list)) return list ?? [];
    this.#report(where, field, `expected a list, received ${describe(list)}; put it in brackets`);
    return [];
  }

  #report(where: string, path: string, message: string): void {
    this.#problems.push({ where, path, message });
  }
}

function faultOfImport(entry: unknown): string | undefined {
  if (entry === undefined) return circular;
  if (entry instanceof Promise)
    return 'is a promise; await it before it is listed, or use a provider with an async factory instead';
  const target = isObject(entry) ? entry.module : entry;
  if (isObject(entry) && target === undefined && 'module' in entry) return `its module ${circular}`;
  if (typeof target !== 'function')
    return `expected a module, received ${describe(entry)}; list a class with @Module or { module: SomeModule, … }`;
  if (moduleOf(target as Constructor) !== undefined) return undefined;
  const name = nameOf(target);
  if (reagentOf(target as Constructor) !== undefined)
    return `${name} is a reagent, not a module; list it in reagents, or pass it to start()`;
  return `${name} has no @Module; add @Module({ … }) to the class, or list it in providers if it is a service`;
}

function faultOfReagent(target: unknown): string | undefined {
  if (target === undefined) return circular;
  if (typeof target !== 'function') return `expected a class with @Reagent, received ${describe(target)}`;
  if (reagentOf(target as Constructor) !== undefined) return undefined;
  const name = nameOf(target);
  if (moduleOf(target as Constructor) !== undefined) return `${name} is a module; list it in imports`;
  return `${name} has no @Reagent; add @Reagent({ port: … }) to the class, or list it in providers if it is a service`;
}

function faultOfProvider(provider: unknown): string | undefined {
  if (provider === undefined) return circular;
  if (typeof provider === 'function') {
    return moduleOf(provider as Constructor) === undefined
      ? undefined
      : `${nameOf(provider)} is a module; list it in imports`;
  }
  const forms = 'a class, or { token, useClass | useValue | useFactory | useExisting }';
  if (!isObject(provider)) return `expected ${forms}, received ${describe(provider)}`;
  if (!('token' in provider))
    return `expected ${forms}, received ${describe(provider)}; say which token it provides${'provide' in provider ? ': token, not provide' : ''}`;
  if (provider.token === undefined) return `its token ${circular}`;
  const given = ['useClass', 'useValue', 'useFactory', 'useExisting'].filter((form) => form in provider);
  const [form] = given;
  if (form === undefined) return `expected ${forms}, received ${describe(provider)}; say how to get the value`;
  if (given.length > 1) return `expected one way to get the value, received ${given.join(' and ')}; keep one`;
  if (provider.process !== undefined && !processes.includes(provider.process)) {
    return `expected its process to be 'worker', 'supervisor' or 'all', received ${describe(provider.process)}`;
  }
  const value = provider[form];
  if (form === 'useValue') return undefined;
  if (value === undefined) return `its ${form} ${circular}`;
  if (form === 'useExisting') return undefined;
  return typeof value === 'function'
    ? undefined
    : `expected its ${form} to be a ${form === 'useClass' ? 'class' : 'function'}, received ${describe(value)}`;
}

function moduleName(entry: ModuleImport): string {
  return nameOf(typeof entry === 'function' ? entry : entry.module);
}

function isObject(value: unknown): value is Readonly<Record<PropertyKey, unknown>> {
  return typeof value === 'object' && value !== null;
}

function describe(value: unknown): string {
  return inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY });
}
