import type { Constructor } from '../decorators/metadata.js';
import type { ModuleImport } from '../decorators/module.js';
import { ConfigurationError, type Problem } from '../errors.js';
import { readTls } from '../transport/tls/read-tls.js';
import type { TlsOptions } from '../transport/tls/tls-options.js';
import {
  type ApplicationTls,
  type DescribedReagents,
  type DescriptorOverrides,
  describeReagents,
} from './descriptors.js';
import { type InjectionContext, injectionProblems } from './injection.js';
import { isMadeIn, type ListedProvider, type ProcessKind, readModules } from './modules.js';

/** What an application is made of, and all that is wrong with it, as far as that is known before anything is made. */
export interface Blueprint {
  /** The providers that are made in this process. */
  readonly providers: readonly ListedProvider[];
  /** What can be injected into them. */
  readonly context: InjectionContext;
  readonly reagents: readonly Constructor[];
  /** The listeners, but for those whose descriptors are made by a function of the container. */
  readonly early: DescribedReagents;
  readonly problems: readonly Problem[];
}

/**
 * @param kind which of the application's processes this is; a supervisor finds what is wrong in the workers too
 * @param tls the application's TLS options, loaded
 */
export function readBlueprint(
  module: ModuleImport,
  kind: ProcessKind,
  overrides: DescriptorOverrides,
  context: InjectionContext,
  { tls, problems: tlsProblems }: LoadedTls,
): Blueprint {
  const { providers, reagents, problems } = readModules(module);
  const early = describeReagents(reagents, overrides, undefined, tls);
  const supply = supplyOf(kind, providers, context);
  const serving = kind === 'supervisor' ? supplyOf('worker', providers, context) : supply;
  const served = injectionProblems(serving.providers, reagents, serving.context);
  const own = kind === 'supervisor' ? injectionProblems(supply.providers, [], supply.context) : [];
  // What is made in all processes has the same faults in each.
  const known = new Set(served.map((problem) => JSON.stringify(problem)));
  const others = own.filter((problem) => !known.has(JSON.stringify(problem)));
  return {
    ...supply,
    reagents,
    early,
    problems: [...problems, ...tlsProblems, ...served, ...others, ...early.problems],
  };
}

/** What a kind of process makes of all that is listed, and what it can inject. */
function supplyOf(
  kind: ProcessKind,
  listed: readonly ListedProvider[],
  context: InjectionContext,
): Pick<Blueprint, 'providers' | 'context'> {
  return {
    providers: listed.filter((provider) => isMadeIn(kind, provider)),
    context: { ...context, elsewhere: listed.filter((provider) => !isMadeIn(kind, provider)) },
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
  const loaded = readTls(options, 'secure');
  if ('terminator' in loaded) return { tls: loaded.terminator, problems: [] };
  return { tls: 'faulty', problems: loaded.problems.map((problem) => ({ where: 'bootstrap()', ...problem })) };
}

/** @throws ConfigurationError if there is any */
export function refuse(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new ConfigurationError(problems);
}
