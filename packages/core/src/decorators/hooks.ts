// The hooks of a class: which methods its decorators marked, and what is wrong with them.

import type { CloseReason, Connection } from '../connection/connection.js';
import type { Incoming } from '../listener/incoming.js';
import type { Listener } from '../listener/listener.js';
import { type Constructor, metadataKeys, nameOf } from './metadata.js';

/** The steps of a connection's life that a method can be put on, in the order in which they happen. */
export type HookName = 'accept' | 'connection' | 'data' | 'timeout' | 'error' | 'shutdown' | 'close';

type Perhaps<T> = void | T;

/** What a hook may return. A promise holds the connection's next hook back; what it resolves to is ignored, so `return conn.send(x)` is fine. */
export type HookResult = Perhaps<boolean | Promise<unknown>>;

/**
 * An object that takes a connection over: its class has hooks of its own.
 *
 * What can be iterated is none: a handler written as a generator would never run.
 */
export type Owner = object & { readonly [Symbol.iterator]?: never; readonly [Symbol.asyncIterator]?: never };

// Hooks are declared for connections of every message type: which one a listener has is known to its codec only.
// biome-ignore lint/suspicious/noExplicitAny: a method may name any message type
type AnyConnection = Connection<any, any>;
// biome-ignore lint/suspicious/noExplicitAny: as above
type AnyMessage = any;

/** A method for `@OnAccept`. It refuses a client with `incoming.reject()`; returning `false` would not, so it does not compile. */
export type AcceptHook = (incoming: Incoming, listener: Listener) => Perhaps<Promise<void>>;
/** A method for `@OnConnection`. */
export type ConnectionHook = (conn: AnyConnection) => Perhaps<boolean | Owner | Promise<Perhaps<boolean | Owner>>>;
/** A method for `@OnData`. */
export type DataHook = (conn: AnyConnection, message: AnyMessage) => HookResult;
/** A method for `@OnClose`. */
export type CloseHook = (conn: AnyConnection, reason: CloseReason) => HookResult;
/** A method for `@OnError`. */
export type ErrorHook = (conn: AnyConnection, error: Error) => HookResult;
/** A method for `@OnTimeout`. Returning `'keep'` keeps the connection open and starts the time anew. */
export type TimeoutHook = (conn: AnyConnection) => Perhaps<string | Promise<Perhaps<string>>>;
/** A method for `@OnShutdown`. */
export type ShutdownHook = (conn: AnyConnection) => HookResult;

interface HookMethods {
  accept: (this: object, incoming: Incoming, listener: Listener) => unknown;
  connection: (this: object, conn: AnyConnection) => unknown;
  data: (this: object, conn: AnyConnection, message: AnyMessage) => unknown;
  timeout: (this: object, conn: AnyConnection) => unknown;
  error: (this: object, conn: AnyConnection, error: Error) => unknown;
  shutdown: (this: object, conn: AnyConnection) => unknown;
  close: (this: object, conn: AnyConnection, reason: CloseReason) => unknown;
}

/** The hooks of one class as plain functions, to be called with the instance as `this`. */
export type Hooks = { readonly [Name in HookName]: HookMethods[Name] | undefined } & {
  readonly className: string;
  /** Whether `accept` is static: then it is to be called with the class as `this`, and needs no instance. */
  readonly acceptIsStatic: boolean;
};

/** A decorator of methods that have a signature assignable to `Method`. */
export type MethodHookDecorator<Method> = <M extends Method>(
  target: InstanceSide,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<M>,
) => void;

/** The prototype of a class, which, unlike the class, has no `prototype`: static methods are no hooks. */
export type InstanceSide = object & { readonly prototype?: never };

interface HookRecord {
  readonly hook: HookName;
  readonly key: string | symbol;
}

/** Remembers that the method `key` was put on `hook`. `target` is the prototype, or the class for a static method. */
export function recordHook(hook: HookName, target: object, key: string | symbol): void {
  const records: HookRecord[] = Reflect.getOwnMetadata(metadataKeys.hooks, target) ?? [];
  records.push({ hook, key });
  Reflect.defineMetadata(metadataKeys.hooks, records, target);
}

const hookNames = [
  'accept',
  'connection',
  'data',
  'timeout',
  'error',
  'shutdown',
  'close',
] as const satisfies readonly HookName[];

/** `'data'` -> `'@OnData'`. */
function decoratorOf(name: HookName): string {
  return `@On${name[0]?.toUpperCase()}${name.slice(1)}`;
}

interface FoundHook extends HookRecord {
  readonly isStatic: boolean;
  /** The class in whose body the decorator stands. */
  readonly owner: Constructor;
}

const cache = new WeakMap<Constructor, { readonly hooks: Hooks; readonly found: readonly FoundHook[] }>();

/**
 * The hooks of a class, inherited and overridden as methods are: an override needs no decorator of its own, and a hook that a derived
 * class puts on another method replaces the inherited one.
 *
 * Cheap when called again for the same class. Of what `hookProblems` complains about, something is picked here.
 */
export function hooksOf(target: Constructor): Hooks {
  const known = cache.get(target);
  // A method may have been replaced on the prototype since, by a spy of the second test in a file for one.
  if (known?.found.every((found) => methodOf(target, found) === known.hooks[found.hook])) return known.hooks;

  const found = hookNames.map((name) => find(target, name)).filter((hook) => hook !== undefined);
  const methods = Object.fromEntries(hookNames.map((name) => [name, undefined as unknown]));
  for (const hook of found) methods[hook.hook] = methodOf(target, hook);
  const acceptIsStatic = found.some(({ hook, isStatic }) => hook === 'accept' && isStatic);
  const hooks = { ...methods, className: nameOf(target), acceptIsStatic } as unknown as Hooks;
  cache.set(target, { hooks, found });
  return hooks;
}

/**
 * All that is wrong with the hooks of a class, each in a sentence that names the class, the method and the cure.
 *
 * With `scope: 'connection'` there is no instance yet when `@OnAccept` is called, so there it has to be static.
 */
export function hookProblems(target: Constructor, scope: 'singleton' | 'connection' = 'singleton'): string[] {
  const name = nameOf(target);
  const problems = lineage(target).flatMap((owner) => duplicates(owner));
  const found = hookNames.map((hook) => find(target, hook)).filter((hook) => hook !== undefined);

  for (const hook of found) {
    const decorator = decoratorOf(hook.hook);
    const place = `${nameOf(hook.owner)}.${String(hook.key)}`;
    const method = methodOf(target, hook);
    if (method === undefined) {
      problems.push(`${decorator} is on ${place}, which is no method of ${name}; put it on a method`);
    } else if (hook.isStatic && hook.hook !== 'accept') {
      problems.push(
        `${decorator} is on the static method ${place}, and only @OnAccept may be static; make it an instance method`,
      );
    } else if (isGenerator(method)) {
      problems.push(
        `${decorator} is on the generator ${place}, which would never run; make it an ordinary or an async method (remove the *)`,
      );
    }
  }

  const accept = found.find(({ hook }) => hook === 'accept');
  if (scope === 'connection' && accept?.isStatic === false) {
    problems.push(
      `@OnAccept is on the instance method ${nameOf(accept.owner)}.${String(accept.key)}, but with scope 'connection' no instance of ${name} exists yet when it is called; make it static`,
    );
  }
  if (!found.some(({ hook }) => hook === 'connection' || hook === 'data')) {
    problems.push(
      `${name} has no hook that could do anything; put @OnData() (or @OnConnection()) on a method, parentheses included`,
    );
  }
  return problems;
}

function duplicates(owner: Constructor): string[] {
  const own = ownHooks(owner);
  return hookNames.flatMap((name) => {
    const places = own.filter(({ hook }) => hook === name).map(({ key }) => `${nameOf(owner)}.${String(key)}`);
    if (places.length < 2) return [];
    return [
      `${decoratorOf(name)} is given ${places.length} times, on ${places.join(' and ')}; keep one and call the rest from it`,
    ];
  });
}

function isGenerator(method: object): boolean {
  return Object.prototype.toString.call(method).endsWith('GeneratorFunction]');
}

/** The class and those it extends, the most derived first. */
function lineage(target: Constructor): Constructor[] {
  const classes: Constructor[] = [];
  for (
    let next: unknown = target;
    typeof next === 'function' && next.prototype !== undefined;
    next = Object.getPrototypeOf(next)
  ) {
    classes.push(next as Constructor);
  }
  return classes;
}

/** The hooks that decorators in the body of `owner` itself made. */
function ownHooks(owner: Constructor): FoundHook[] {
  const read = (side: object, isStatic: boolean) => {
    const records: HookRecord[] = Reflect.getOwnMetadata(metadataKeys.hooks, side) ?? [];
    return records.map((record) => ({ ...record, isStatic, owner }));
  };
  return [...read(owner.prototype, false), ...read(owner, true)];
}

function find(target: Constructor, name: HookName): FoundHook | undefined {
  for (const owner of lineage(target)) {
    const found = ownHooks(owner).find(({ hook }) => hook === name);
    if (found !== undefined) return found;
  }
  return undefined;
}

function methodOf(target: Constructor, found: FoundHook): object | undefined {
  // The property is looked at, not read: it may be a getter.
  for (
    let side: object | null = found.isStatic ? target : target.prototype;
    side !== null;
    side = Object.getPrototypeOf(side)
  ) {
    const property = Object.getOwnPropertyDescriptor(side, found.key);
    if (property !== undefined) return typeof property.value === 'function' ? property.value : undefined;
  }
  return undefined;
}
