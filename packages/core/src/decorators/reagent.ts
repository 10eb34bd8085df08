import { type DependencyContainer, injectable } from 'tsyringe';
import type { DescriptorInput } from '../descriptor/descriptor.js';
import { type Constructor, metadataKeys } from './metadata.js';

/** A descriptor, or a function that makes it once the application's providers exist. */
export type DescriptorSource = DescriptorInput | ((container: DependencyContainer) => DescriptorInput);

/** What `@Reagent` recorded. */
export interface ReagentRecord {
  readonly descriptor: DescriptorSource;
}

/**
 * Makes a class a server: listed in a module's `reagents` (or passed to `start`), it gets a listener as the descriptor says, and its
 * methods that carry `@OnConnection`, `@OnData` and the like get the listener's connections. Its constructor's parameters are injected.
 *
 * What the descriptor leaves out may come from `start(Class, descriptor)` or from `bootstrap(AppModule, { overrides })`.
 *
 * @example
 * ```ts
 * @Reagent({ port: 8080 })
 * class Echo {
 *   @OnData()
 *   echo(conn: Connection, data: Buffer) {
 *     conn.send(data);
 *   }
 * }
 *
 * @Reagent((container) => ({ port: container.resolve(Settings).port }))
 * class Configured extends Echo {}
 * ```
 */
export function Reagent(descriptor: DescriptorSource = {}): (target: Constructor) => void {
  return (target) => {
    injectable()(target);
    Reflect.defineMetadata(metadataKeys.reagent, { descriptor } satisfies ReagentRecord, target);
  };
}

/** What `@Reagent` recorded on the class or, if it has none of its own, on the class it extends. */
export function reagentOf(target: Constructor): ReagentRecord | undefined {
  return Reflect.getMetadata(metadataKeys.reagent, target);
}
