// What the constructors of an application's classes ask for, and what is wrong with that: known before anything is made.

import { Connection } from '../connection/connection.js';
import { type Constructor, nameOf } from '../decorators/metadata.js';
import { reagentOf } from '../decorators/reagent.js';
import { isSingleton } from '../decorators/singleton.js';
import type { Problem } from '../errors.js';
import { Listener } from '../listener/listener.js';
import { type DependencyContainer, type InjectionToken, injectable } from '../tsyringe.js';
import type { ListedProvider } from './modules.js';

/** Values that the application itself provides under a token, such as the logger. */
export type ProvidedValues = ReadonlyArray<readonly [token: InjectionToken<unknown>, value: unknown]>;

/** What a container can give besides what the modules list. */
export interface InjectionContext {
  /** The container above the application's own: tsyringe's global one, or what `bootstrap` was given. */
  readonly parent: DependencyContainer;
  readonly values?: ProvidedValues;
  /** What another process of the application makes, and this one does not. */
  readonly elsewhere?: readonly ListedProvider[];
}

/** Why something of another process cannot be had here. */
export function elsewhereReason({ form }: ListedProvider): string {
  const where = form.process === 'supervisor' ? 'the supervisor' : 'the workers';
  return `is made in ${where} only; list it with process: 'all' to have one in each process`;
}

/**
 * Follows the constructor parameters of providers and reagents to every class they lead to, and says all that cannot be injected.
 *
 * On the way, classes whose types are known through a decorator other than tsyringe's, or through the class they extend, are made known to
 * tsyringe, so that it can construct them.
 */
export function injectionProblems(
  listed: readonly ListedProvider[],
  reagents: readonly Constructor[],
  context: InjectionContext,
): Problem[] {
  const walk = new InjectionWalk(listed, context);
  for (const { form, module } of listed) {
    if ('useClass' in form) walk.visit(form.useClass, true, []);
    if ('useExisting' in form) walk.visitAlias(form.token, form.useExisting, module);
  }
  for (const reagent of reagents) if (!walk.provides(reagent)) walk.visit(reagent, false, []);
  return walk.problems;
}

/** Cures for what lives with one connection being asked for by what lives with the application. */
export const lifetimeCure =
  "give a reagent that asks for it scope: 'connection'; make a service that asks for it @injectable() and list it in no module, or @scoped(Lifecycle.ContainerScoped) to have one per connection";

class InjectionWalk {
  readonly problems: Problem[] = [];
  readonly #provided: ReadonlySet<unknown>;
  readonly #parent: DependencyContainer;
  readonly #elsewhere: ReadonlyMap<unknown, ListedProvider>;
  readonly #seen = new Set<Constructor>();
  readonly #seenByApplication = new Set<Constructor>();

  constructor(listed: readonly ListedProvider[], { parent, values = [], elsewhere = [] }: InjectionContext) {
    this.#elsewhere = new Map(elsewhere.map((provider) => [provider.token, provider]));
    this.#provided = new Set<unknown>([...listed.map(({ token }) => token), ...values.map(([token]) => token)]);
    this.#parent = parent;
  }

  /** Whether a token leads to something that was listed or registered rather than to a class that is constructed on demand. */
  provides(token: unknown): boolean {
    return this.#provided.has(token) || this.#parent.isRegistered(token as InjectionToken<unknown>, true);
  }

  visitAlias(token: unknown, existing: unknown, module: string): void {
    if (isNamed(existing) && !this.provides(existing)) {
      this.#report(
        module,
        'providers',
        `${tokenName(token)} is another name of ${tokenName(existing)}, which nothing provides; list a provider of it`,
      );
    }
  }

  /**
   * @param lasting whether the instance lives as long as the application, so that it cannot ask for a connection
   * @param chain the classes that led here
   */
  visit(target: Constructor, lasting: boolean, chain: readonly Constructor[]): void {
    if (chain.includes(target)) {
      const circle = [...chain.slice(chain.indexOf(target)), target].map(nameOf).join(' -> ');
      const message = `these classes ask for each other, so that none can be made first: ${circle}; let one of them ask later, with @inject(delay(() => ${nameOf(target)}))`;
      this.#report(nameOf(target), '', message);
      return;
    }
    const seen = lasting ? this.#seenByApplication : this.#seen;
    if (seen.has(target)) return;
    seen.add(target);
    // What is wrong with the class itself is said once, whoever asks for it.
    const first = !(lasting ? this.#seen : this.#seenByApplication).has(target);
    const asked = [...chain, target];
    for (const [index, token] of parametersOf(target).entries()) {
      if (token === undefined) {
        if (first) this.#report(nameOf(target), '', unknownParameters(target));
        break;
      }
      const fault = this.#faultOf(token, lasting);
      if (fault !== undefined) {
        // A fault of the lifetime depends on who asks, the others do not.
        if (fault.lifetime || first)
          this.#report(nameOf(asked[0] ?? target), '', sentence(asked, index, fault.message));
      } else if (
        isClass(token.token) &&
        token.token !== Connection &&
        token.token !== Listener &&
        !this.#provided.has(token.token)
      ) {
        const own = isSingleton(token.token);
        if (own || !this.provides(token.token)) this.visit(token.token, lasting || own, own ? [] : asked);
      }
    }
    makeInjectable(target);
  }

  #faultOf({ token, optional }: Parameter, lasting: boolean): { lifetime: boolean; message: string } | undefined {
    if (this.#provided.has(token)) return undefined;
    const other = this.#elsewhere.get(token);
    if (other !== undefined)
      return { lifetime: false, message: `${tokenName(token)}, which ${elsewhereReason(other)}` };
    if (token === Connection || token === Listener) {
      if (!lasting) return undefined;
      return {
        lifetime: true,
        message: `a ${tokenName(token)}, which a provider cannot have because it outlives it; ${lifetimeCure}`,
      };
    }
    if (lasting && isClass(token) && reagentOf(token) !== undefined && !this.provides(token)) {
      const message = `the reagent ${nameOf(token)}, and providers are made before reagents; let the reagent ask for the provider, or break the circle with @inject(delay(() => ${nameOf(token)}))`;
      return { lifetime: true, message };
    }
    if (optional || this.provides(token)) return undefined;
    if (token === Object || token === undefined) {
      return {
        lifetime: false,
        message:
          'a type that does not exist at run time: an interface, a class imported with "import type", or one from a file that imports this one; import the class itself, or name a token with @inject(Token)',
      };
    }
    if (isNative(token)) {
      return {
        lifetime: false,
        message: `a ${tokenName(token)}, which says too little to choose a value; name a token with @inject('some token') and provide it with { token: 'some token', useValue: … }`,
      };
    }
    if (isNamed(token)) {
      return {
        lifetime: false,
        message: `${tokenName(token)}, which nothing provides; list { token: ${tokenName(token)}, useValue: … } in a module, or use useFactory or useClass`,
      };
    }
    return undefined;
  }

  #report(where: string, path: string, message: string): void {
    this.problems.push({ where, path, message });
  }
}

function sentence(asked: readonly Constructor[], index: number, message: string): string {
  const chain = asked.length > 1 ? ` of ${asked.map(nameOf).join(' -> ')}` : '';
  return `parameter ${index + 1} of the constructor${chain} asks for ${message}`;
}

function unknownParameters(target: Constructor): string {
  const causes =
    reagentOf(target) === undefined
      ? 'the class has no decorator, or what compiles it writes no metadata (esbuild and tsx do not, nor does tsc without it): add @injectable() to the class and'
      : 'what compiles the class writes no metadata (esbuild and tsx do not, nor does tsc without it):';
  return `the types of its constructor's parameters are not known at run time; ${causes} set "emitDecoratorMetadata" and "experimentalDecorators" in tsconfig.json and compile with tsc or SWC, or name each parameter with @inject(Token)`;
}

/** What one parameter asks for. */
interface Parameter {
  readonly token: unknown;
  readonly optional: boolean;
}

const typesKey = 'design:paramtypes';
// The key under which tsyringe's `inject` keeps its tokens.
const tokensKey = 'injectionTokens';

/** What the constructor's parameters ask for; `undefined` for those of which nothing is known. */
function parametersOf(target: Constructor): (Parameter | undefined)[] {
  const declaring = declaringClass(target);
  if (declaring === undefined) return [];
  const types: readonly unknown[] | undefined = Reflect.getOwnMetadata(typesKey, declaring);
  const tokens: Readonly<Record<number, unknown>> = Reflect.getOwnMetadata(tokensKey, declaring) ?? {};
  const count = Math.max(
    declaring.length,
    types?.length ?? 0,
    ...Object.keys(tokens).map((index) => Number(index) + 1),
  );
  return Array.from({ length: count }, (_, index) => {
    if (tokens[index] !== undefined) return parameterOf(tokens[index]);
    return types === undefined ? undefined : parameterOf(types[index]);
  });
}

/** tsyringe keeps a bare token, or one with details; with a transformation the details are a level deeper. */
function parameterOf(recorded: unknown): Parameter {
  if (typeof recorded !== 'object' || recorded === null || !('token' in recorded))
    return { token: recorded, optional: false };
  const inner = parameterOf(recorded.token);
  return { token: inner.token, optional: inner.optional || ('isOptional' in recorded && recorded.isOptional === true) };
}

/** The class itself or the nearest one it extends whose constructor is its own rather than an inherited one. */
function declaringClass(target: Constructor): Constructor | undefined {
  for (let next: unknown = target; isClass(next) && next !== Function.prototype; next = Object.getPrototypeOf(next)) {
    if (next.length > 0 || Reflect.hasOwnMetadata(typesKey, next) || Reflect.hasOwnMetadata(tokensKey, next))
      return next;
    // A constructor without parameters leaves no other trace; such a class wants none of those of the class it extends.
    if (/[{};\s]constructor\s*\(/.test(Function.prototype.toString.call(next))) return next;
  }
  return undefined;
}

/** Has tsyringe read the types again, from the class whose constructor it is. */
function makeInjectable(target: Constructor): void {
  const declaring = declaringClass(target);
  if (declaring === undefined) return;
  const tokens: unknown = Reflect.getOwnMetadata(tokensKey, declaring);
  if (tokens === undefined && !Reflect.hasOwnMetadata(typesKey, declaring)) return;
  injectable()(declaring);
  if (declaring === target) return;
  // Types are inherited as metadata are; tokens are not, and stay the declaring class's.
  if (tokens !== undefined) Reflect.defineMetadata(tokensKey, tokens, target);
  injectable()(target);
  Reflect.deleteMetadata(tokensKey, target);
}

function isClass(value: unknown): value is Constructor {
  return typeof value === 'function';
}

function isNamed(token: unknown): token is string | symbol {
  return typeof token === 'string' || typeof token === 'symbol';
}

/** String, Number, Map and the like: tsyringe would construct an empty one. */
function isNative(token: unknown): boolean {
  return isClass(token) && Function.prototype.toString.call(token).endsWith('{ [native code] }');
}

/** A token as it stands in messages. */
export function tokenName(token: unknown): string {
  if (isClass(token)) return nameOf(token);
  return typeof token === 'string' ? `'${token}'` : String(token);
}
