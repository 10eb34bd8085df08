import { container, injectable, Lifecycle } from '../tsyringe.js';
import { type Constructor, metadataKeys } from './metadata.js';

/** Where an application keeps its instances of classes with `@singleton()`; each registers its own in its container. */
export interface SingletonStore {
  singleton(target: Constructor): object;
}

/** The token of the `SingletonStore`. */
export const singletonStore = Symbol.for('reagent:singleton-store');

/**
 * Makes a class one instance per application wherever it is injected, without listing it in a module. It is made when first asked for.
 *
 * With tsyringe's decorator of this name it would be one instance per process; this one is that outside of any application only.
 *
 * @example
 * ```ts
 * @singleton()
 * class Clock {
 *   now() {
 *     return Date.now();
 *   }
 * }
 * ```
 */
export function singleton(): (target: Constructor) => void {
  return (target) => {
    injectable()(target);
    Reflect.defineMetadata(metadataKeys.singleton, true, target);
    const outside = Symbol(target.name);
    container.register(outside, { useClass: target }, { lifecycle: Lifecycle.Singleton });
    // The container that the factory gets is the one that was asked, so the application's store is in reach.
    container.register(target, {
      useFactory: (asked) => {
        if (!asked.isRegistered(singletonStore, true)) return container.resolve<object>(outside);
        return asked.resolve<SingletonStore>(singletonStore).singleton(target);
      },
    });
  };
}

/** Whether the class itself carries `@singleton()`; one that extends it does not. */
export function isSingleton(target: object): boolean {
  return Reflect.getOwnMetadata(metadataKeys.singleton, target) === true;
}
