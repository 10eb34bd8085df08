import type { DependencyContainer } from '../tsyringe.js';
import { type Constructor, metadataKeys, type Token } from './metadata.js';

/**
 * In which processes of an application with workers something is made: in each worker, in their supervisor, or in all of them.
 *
 * The supervisor is the place for what an application has once, such as a schedule. Without workers, one process makes everything.
 */
export type ProviderProcess = 'worker' | 'supervisor' | 'all';

/** What a provider that names its token may say besides. */
interface ProviderPlace {
  /** Default: `'worker'`. */
  readonly process?: ProviderProcess;
}

/**
 * Something the container gives to who asks for its token: a class, which is its own token, or a token with the way to get its value.
 *
 * Each is one instance per application and process, made before anything listens, in the order listed (imported modules first). A factory
 * gets the container and may be async; what is listed after it may ask for its result.
 */
export type Provider =
  | Constructor
  | (ProviderPlace & { readonly token: Token; readonly useClass: Constructor })
  | (ProviderPlace & { readonly token: Token; readonly useValue: unknown })
  | (ProviderPlace & { readonly token: Token; readonly useFactory: (container: DependencyContainer) => unknown })
  | (ProviderPlace & { readonly token: Token; readonly useExisting: Token });

/** A module class with what this import of it adds, as a static `forRoot(options)` returns it. */
export interface DynamicModule extends ModuleDefinition {
  readonly module: Constructor;
}

/** What may stand in `imports`. */
export type ModuleImport = Constructor | DynamicModule;

/** What a module is made of. */
export interface ModuleDefinition {
  /** Modules whose providers and reagents belong to the application as well. */
  readonly imports?: readonly ModuleImport[];
  /** For a token that is provided twice, the importing module wins over the imported one, and later over earlier. */
  readonly providers?: readonly Provider[];
  /** Classes with `@Reagent`: each gets a listener. */
  readonly reagents?: readonly Constructor[];
}

/**
 * Makes a class a module: a named list of providers, reagents and further modules. `bootstrap` takes the outermost one.
 *
 * @example
 * ```ts
 * @Module({ imports: [StoreModule.forRoot({ path: 'users.db' })], providers: [Greetings], reagents: [Echo] })
 * class AppModule {}
 * ```
 */
export function Module(definition: ModuleDefinition = {}): (target: Constructor) => void {
  return (target) => Reflect.defineMetadata(metadataKeys.module, definition, target);
}

/** What `@Module` recorded on the class or, if it has none of its own, on the class it extends. */
export function moduleOf(target: Constructor): ModuleDefinition | undefined {
  return Reflect.getMetadata(metadataKeys.module, target);
}
