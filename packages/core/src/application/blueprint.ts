import type { Constructor } from '../decorators/metadata.js';
import type { ModuleImport } from '../decorators/module.js';
import { checkTlsOptions } from '../descriptor/check.js';
import { ConfigurationError, type Problem } from '../errors.js';
import type { TlsOptions } from '../transport/tls/tls-options.js';
import { TlsTerminator } from '../transport/tls/tls-terminator.js';
import {
  type ApplicationTls,
  type DescribedReagents,
  type DescriptorOverrides,
  describeReagents,
} from './descriptors.js';
import { type InjectionContext, injectionProblems } from './injection.js';
import { type ListedProvider, readModules } from './modules.js';

/** What an application is made of, and all that is wrong with it, as far as that is known before anything is made. */
export interface Blueprint {
  readonly providers: readonly ListedProvider[];
  readonly reagents: readonly Constructor[];
  /** The listeners, but for those whose descriptors are made by a function of the container. */
  readonly early: DescribedReagents;
  readonly problems: readonly Problem[];
}

/** @param tls the application's TLS options, loaded */
export function readBlueprint(
  module: ModuleImport,
  overrides: DescriptorOverrides,
  context: InjectionContext,
  { tls, problems: tlsProblems }: LoadedTls,
): Blueprint {
  const { providers, reagents, problems } = readModules(module);
  const early = describeReagents(reagents, overrides, undefined, tls);
  return {
    providers,
    reagents,
    early,
    problems: [...problems, ...tlsProblems, ...injectionProblems(providers, reagents, context), ...early.problems],
  };
}

/** The TLS options of an application, and what is wrong with them. */
export interface LoadedTls {
  readonly tls: ApplicationTls;
  readonly problems: readonly Problem[];
}

/** Checks the TLS options of the application, and reads the certificates they name. */
export function loadTls(options: TlsOptions | undefined): LoadedTls {
  if (options === undefined) return { tls: undefined, problems: [] };
  const checked = checkTlsOptions('secure', options);
  const loaded = 'problems' in checked ? checked : TlsTerminator.load(checked.options, 'secure');
  if ('terminator' in loaded) return { tls: loaded.terminator, problems: [] };
  return { tls: 'faulty', problems: loaded.problems.map((problem) => ({ where: 'bootstrap()', ...problem })) };
}

/** @throws ConfigurationError if there is any */
export function refuse(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new ConfigurationError(problems);
}
