// The container of one application: every listed provider once, made in order, disposed in reverse.

import { Connection } from '../connection/connection.js';
import { isPromise } from '../connection/promise-like.js';
import { type Constructor, nameOf } from '../decorators/metadata.js';
import { type SingletonStore, singletonStore } from '../decorators/singleton.js';
import { ProviderError } from '../errors.js';
import { Listener } from '../listener/listener.js';
import type { DependencyContainer, InjectionToken } from '../tsyringe.js';
import { elsewhereReason, type InjectionContext, lifetimeCure, tokenName } from './injection.js';
import type { ListedProvider } from './modules.js';

/** The instances that live as long as one application. */
export interface ProviderSet {
  /** The application's own container, in which all that is listed is registered. Each connection's container is a child of it. */
  readonly container: DependencyContainer;

  /**
   * Makes reagents that serve all connections: from now on each is one instance, in the container and here. The application's reagents
   * go in one call, so that they may ask for each other.
   *
   * @returns the instances, in the order of the classes
   * @throws ProviderError if one cannot be made; those made are disposed by `dispose`.
   */
  makeReagents(targets: readonly Constructor[]): object[];

  /**
   * Calls `dispose()` of all that was made and has it, the last made first, each awaited before the next. Safe to call twice.
   *
   * @throws AggregateError with all that was thrown, after every one has been tried.
   */
  dispose(): Promise<void>;
}

/**
 * Makes all listed providers in a container of their own: first the values, then the factories one by one, each awaited, then the rest.
 *
 * @throws ProviderError if one cannot be made; those already made have been disposed then.
 */
export async function makeProviders(
  listed: readonly ListedProvider[],
  context: InjectionContext,
): Promise<ProviderSet> {
  const providers = new Providers(context);
  try {
    await providers.makeAll(listed);
  } catch (error) {
    await providers.dispose().catch((failure: unknown) => {
      // The caller has to know what failed first; what failed because of it joins the cause.
      if (error instanceof Error)
        error.cause = new AggregateError([error.cause, failure], 'and what had been made could not be disposed');
    });
    throw error;
  }
  return providers;
}

/** One instance of the application: how it is made, and how far that has come. */
interface Cell {
  readonly token: unknown;
  /** The module that lists it. */
  readonly module: string | undefined;
  readonly how: 'factory' | 'class' | 'alias';
  readonly make: () => unknown;
  /** `pending`: its factory has returned a promise. */
  state: 'unmade' | 'making' | 'pending' | 'made';
  /** What was made; while the state is `pending`, the promise of it. */
  value: unknown;
}

interface Disposable {
  dispose(): unknown;
}

class Providers implements ProviderSet, SingletonStore {
  readonly container: DependencyContainer;
  readonly #cells = new Map<unknown, Cell>();
  /** Values that were made elsewhere, and so are not ours to dispose. */
  readonly #given = new Set<unknown>();
  /** What is to be disposed, in the order in which it was made. */
  readonly #made = new Set<Disposable>();
  /** What is being made, each asked for by the one before. */
  readonly #making: Cell[] = [];
  /** The first cause of what is going wrong just now: of an error inside a constructor's parameter, tsyringe passes on the text only. */
  #failure: ProviderError | undefined;
  #disposal: Promise<void> | undefined;

  constructor({ parent, values = [], elsewhere = [] }: InjectionContext) {
    this.container = parent.createChildContainer();
    this.container.registerInstance<SingletonStore>(singletonStore, this);
    // Abstract classes are ordinary ones at run time: tsyringe would construct an empty connection.
    for (const token of [Connection, Listener] as InjectionToken<unknown>[]) {
      const reason = `a ${tokenName(token)} cannot be injected into what lives as long as the application; ${lifetimeCure}`;
      this.container.register(token, { useFactory: () => this.#refuse(token, reason) });
    }
    for (const provider of elsewhere) {
      const { token } = provider;
      this.container.register(token, {
        useFactory: () => this.#refuse(token, `${tokenName(token)} ${elsewhereReason(provider)}`),
      });
    }
    for (const [token, value] of values) this.#give(token, value);
  }

  async makeAll(listed: readonly ListedProvider[]): Promise<void> {
    for (const { token, form, module } of listed) {
      if ('useValue' in form) this.#give(token, form.useValue);
      else if ('useFactory' in form) this.#register(token, module, 'factory', () => form.useFactory(this.container));
      else if ('useClass' in form) this.#register(token, module, 'class', this.#constructorOf(form.useClass));
      else
        this.#register(token, module, 'alias', () =>
          this.container.resolve(form.useExisting as InjectionToken<unknown>),
        );
    }
    const cells = [...this.#cells.values()];
    for (const cell of cells) if (cell.how === 'factory') await this.#finish(cell);
    for (const cell of cells) this.#get(cell);
  }

  makeReagents(targets: readonly Constructor[]): object[] {
    for (const target of targets) {
      if (!this.container.isRegistered(target, true))
        this.#register(target, undefined, 'class', this.#constructorOf(target));
    }
    return targets.map((target) => this.container.resolve<object>(target));
  }

  singleton(target: Constructor): object {
    const cell = this.#cells.get(target) ?? this.#add(target, undefined, 'class', this.#constructorOf(target));
    return this.#get(cell) as object;
  }

  dispose(): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  #give(token: InjectionToken<unknown>, value: unknown): void {
    this.#given.add(value);
    this.container.registerInstance(token, value);
  }

  #register(token: InjectionToken<unknown>, module: string | undefined, how: Cell['how'], make: () => unknown): void {
    const cell = this.#add(token, module, how, make);
    // As a factory, so that the containers of connections neither make one of their own nor dispose it.
    this.container.register(token, { useFactory: () => this.#get(cell) });
  }

  #add(token: unknown, module: string | undefined, how: Cell['how'], make: () => unknown): Cell {
    const cell: Cell = { token, module, how, make, state: 'unmade', value: undefined };
    this.#cells.set(token, cell);
    return cell;
  }

  /** Constructs the class in the application's container, whatever is registered under the class itself. */
  #constructorOf(target: Constructor): () => object {
    const token = Symbol(nameOf(target));
    this.container.register(token, { useClass: target });
    return () => this.container.resolve<object>(token);
  }

  #get(cell: Cell): unknown {
    if (cell.state === 'making')
      throw this.#fail(
        cell,
        'it asks for itself; let one of them ask for the other later, with @inject(delay(() => Other))',
      );
    if (cell.state === 'unmade') this.#start(cell);
    if (cell.state === 'pending') throw this.#fail(this.#making.at(-1) ?? cell, tooEarly(cell));
    return cell.value;
  }

  /** Makes it, as far as that goes without waiting. */
  #start(cell: Cell): void {
    cell.state = 'making';
    this.#making.push(cell);
    try {
      cell.value = cell.make();
    } catch (error) {
      cell.state = 'unmade';
      throw this.#explain(cell, error);
    } finally {
      this.#making.pop();
    }
    if (cell.how === 'factory' && isPromise(cell.value)) {
      cell.state = 'pending';
      // It is awaited when its turn comes, or never if something else fails first: then nobody else would handle its rejection.
      Promise.resolve(cell.value).catch(() => {});
    } else {
      this.#keep(cell);
    }
  }

  async #finish(cell: Cell): Promise<void> {
    if (cell.state === 'unmade') this.#start(cell);
    if (cell.state !== 'pending') return;
    try {
      cell.value = await cell.value;
    } catch (error) {
      throw this.#explain(cell, error);
    }
    this.#keep(cell);
  }

  #keep(cell: Cell): void {
    cell.state = 'made';
    this.#collectDisposables();
    if (cell.how !== 'alias' && isDisposable(cell.value) && !this.#given.has(cell.value)) this.#made.add(cell.value);
  }

  /**
   * Takes over what tsyringe would dispose itself, which is all that it has constructed, instances that nothing lists included: it
   * would do so in the order of making, and without waiting. Its field is not public, but says what nothing else does.
   */
  #collectDisposables(): void {
    const { disposables } = this.container as unknown as { readonly disposables?: ReadonlySet<Disposable> };
    for (const disposable of disposables ?? []) this.#made.add(disposable);
  }

  #explain(cell: Cell, error: unknown): ProviderError {
    if (error instanceof ProviderError) return error;
    const message = error instanceof Error ? error.message : String(error);
    if (this.#failure !== undefined && message.includes(this.#failure.message)) return this.#failure;
    return this.#fail(cell, message, error);
  }

  #fail(cell: Cell, reason: string, cause?: unknown): ProviderError {
    const chain = this.#making.map(({ token }) => tokenName(token));
    if (this.#making.at(-1) !== cell) chain.push(tokenName(cell.token));
    this.#failure = new ProviderError({ token: tokenName(cell.token), module: cell.module, chain, reason, cause });
    return this.#failure;
  }

  #refuse(token: unknown, reason: string): never {
    const asking = this.#making.at(-1);
    throw asking === undefined ? new ProviderError({ token: tokenName(token), reason }) : this.#fail(asking, reason);
  }

  async #dispose(): Promise<void> {
    for (const cell of this.#cells.values()) {
      // Only left over if another provider failed first. What cannot be made needs no disposal.
      if (cell.state === 'pending') await this.#finish(cell).catch(() => {});
    }
    this.#collectDisposables();
    const errors: unknown[] = [];
    for (const disposable of [...this.#made].reverse()) {
      try {
        await disposable.dispose();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, `dispose() failed: ${errors.map(String).join('; ')}`);
  }
}

function tooEarly({ token, module }: Cell): string {
  const name = tokenName(token);
  const listed = module === undefined ? '' : ` of ${module}`;
  return `it asks for ${name}${listed}, whose async factory has not finished; list ${name} before it, or in a module that is imported earlier`;
}

/** By the same rule as tsyringe's: a `dispose` that wants parameters is something else. */
function isDisposable(value: unknown): value is Disposable {
  return (
    typeof value === 'object' &&
    value !== null &&
    'dispose' in value &&
    typeof value.dispose === 'function' &&
    value.dispose.length === 0
  );
}
