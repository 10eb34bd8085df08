import type { Codec } from '../codec/codec.js';
import type { DescriptorInput } from '../descriptor/descriptor.js';
import { type DependencyContainer, injectable } from '../tsyringe.js';
import type { FitsCodec } from './fits-codec.js';
import { type Constructor, metadataKeys } from './metadata.js';

// biome-ignore lint/suspicious/noExplicitAny: stands for the codec of every message type
type AnyCodec = Codec<any, any>;

/** A descriptor, or a function that makes it once the application's providers exist. */
export type DescriptorSource<C extends AnyCodec = AnyCodec> =
  | DescriptorInput<C>
  | ((container: DependencyContainer) => DescriptorInput<C>);

/** What `@Reagent` recorded. */
export interface ReagentRecord {
  readonly descriptor: DescriptorSource;
}

/**
 * Makes a class a server: listed in a module's `reagents` (or passed to `start`), it gets a listener as the descriptor says, and its
 * methods that carry `@OnConnection`, `@OnData` and the like get the listener's connections. Its constructor's parameters are injected.
 *
 * Where the descriptor has a codec, a class whose `@OnData` takes other messages than the codec gives does not compile.
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
export function Reagent<C extends AnyCodec = AnyCodec>(
  descriptor: DescriptorSource<C> = {},
): <Target extends Constructor>(target: Target & FitsCodec<InstanceType<Target>, C>) => void {
  return (target) => {
    injectable()(target);
    Reflect.defineMetadata(metadataKeys.reagent, { descriptor } satisfies ReagentRecord, target);
  };
}

/** What `@Reagent` recorded on the class or, if it has none of its own, on the class it extends. */
export function reagentOf(target: Constructor): ReagentRecord | undefined {
  return Reflect.getMetadata(metadataKeys.reagent, target);
}
