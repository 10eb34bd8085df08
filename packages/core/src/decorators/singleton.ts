import { singleton as registerSingleton } from 'tsyringe';
import { type Constructor, metadataKeys } from './metadata.js';

/**
 * Makes a class one instance per application wherever it is injected, without listing it in a module.
 *
 * It is tsyringe's decorator with a mark, by which an application knows to keep an instance of its own: in tsyringe's global container
 * the class would be one instance per process.
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
    registerSingleton()(target);
    Reflect.defineMetadata(metadataKeys.singleton, true, target);
  };
}

/** Whether the class itself carries `@singleton()`; one that extends it does not. */
export function isSingleton(target: object): boolean {
  return Reflect.getOwnMetadata(metadataKeys.singleton, target) === true;
}
