// From the reagents of an application to their checked descriptors.

import { hookProblems } from '../decorators/hooks.js';
import { type Constructor, nameOf } from '../decorators/metadata.js';
import { reagentOf } from '../decorators/reagent.js';
import { checkDescriptor } from '../descriptor/check.js';
import type { Descriptor, DescriptorInput } from '../descriptor/descriptor.js';
import { mergeDescriptors } from '../descriptor/merge.js';
import { ConfigurationError, type Problem } from '../errors.js';
import { TlsTerminator } from '../transport/tls/tls-terminator.js';
import type { DependencyContainer } from '../tsyringe.js';

/**
 * What is to be different from the reagents' own descriptors: by listener name, or as a function that is asked for each listener.
 * `undefined` leaves a descriptor as it is.
 */
export type DescriptorOverrides =
  | Readonly<Record<string, DescriptorInput>>
  | ((name: string, descriptor: DescriptorInput) => DescriptorInput | undefined);

/** A reagent that may be started. */
export interface DescribedReagent {
  readonly reagent: Constructor;
  readonly descriptor: Descriptor;
  /** The certificates of a secure listener. */
  readonly tls: TlsTerminator | undefined;
}

/** The TLS options of the application: loaded, faulty (which has been said), or not given. */
export type ApplicationTls = TlsTerminator | 'faulty' | undefined;

export interface DescribedReagents {
  readonly described: readonly DescribedReagent[];
  readonly problems: readonly Problem[];
  /** Whether none was left out for want of a container. */
  readonly complete: boolean;
}

/**
 * Evaluates, overrides and checks the descriptors of reagents.
 *
 * @param container what descriptors that are functions are called with; without it, those are left out
 * @param tls what `secure: true` stands for
 */
export function describeReagents(
  reagents: readonly Constructor[],
  overrides: DescriptorOverrides,
  container: DependencyContainer | undefined,
  tls: ApplicationTls,
): DescribedReagents {
  const described: DescribedReagent[] = [];
  const problems: Problem[] = [];
  const known: string[] = [];
  for (const reagent of reagents) {
    const found = describe(reagent, overrides, container, known);
    if (found === undefined) continue;
    const secured = 'problems' in found ? found : secure(reagent, found.descriptor, tls);
    if ('problems' in secured) problems.push(...secured.problems);
    else described.push(secured);
  }
  const complete =
    container !== undefined || !reagents.some((reagent) => typeof reagentOf(reagent)?.descriptor === 'function');
  // While functions are left out, a name may still turn up.
  if (complete) problems.push(...unknownNames(overrides, known));
  return { described, problems: [...problems, ...sameNames(described)], complete };
}

type Described = { readonly descriptor: Descriptor } | { readonly problems: readonly Problem[] };

function describe(
  reagent: Constructor,
  overrides: DescriptorOverrides,
  container: DependencyContainer | undefined,
  known: string[],
): Described | undefined {
  const record = reagentOf(reagent);
  // That a class is no reagent has been said where it is listed.
  if (record === undefined) return undefined;
  const className = nameOf(reagent);
  let own: DescriptorInput;
  if (typeof record.descriptor !== 'function') {
    own = record.descriptor;
  } else if (container === undefined) {
    return undefined;
  } else {
    try {
      own = record.descriptor(container);
    } catch (error) {
      const message = `the function that makes the descriptor has thrown: ${error instanceof Error ? error.message : String(error)}`;
      return { problems: [{ where: className, path: '', message }] };
    }
  }
  const name = typeof own?.name === 'string' ? own.name : className;
  known.push(name);
  const over = typeof overrides === 'function' ? overrides(name, own) : overrides[name];
  const checked = checkDescriptor(className, over === undefined ? own : mergeDescriptors(own, over));
  const scope =
    'descriptor' in checked ? checked.descriptor.scope : own?.scope === 'connection' ? 'connection' : 'singleton';
  const problems = hookProblems(reagent, scope).map((message) => ({ where: className, path: '', message }));
  if ('problems' in checked) return { problems: [...checked.problems, ...problems] };
  return problems.length > 0 ? { problems } : checked;
}

/** Reads the certificates that a checked descriptor names. */
function secure(
  reagent: Constructor,
  descriptor: Descriptor,
  application: ApplicationTls,
): DescribedReagent | { readonly problems: readonly Problem[] } {
  const where = nameOf(reagent);
  if (descriptor.secure === false) return { reagent, descriptor, tls: undefined };
  if (descriptor.secure !== true) {
    const loaded = TlsTerminator.load(descriptor.secure, 'secure');
    if ('terminator' in loaded) return { reagent, descriptor, tls: loaded.terminator };
    return { problems: loaded.problems.map((problem) => ({ where, ...problem })) };
  }
  if (application === 'faulty') return { problems: [] };
  if (application !== undefined) return { reagent, descriptor, tls: application };
  const message =
    'true stands for the TLS options of the application, and it has none; give it some with bootstrap(AppModule, { secure }), or give options here';
  return { problems: [{ where, path: 'secure', message }] };
}

/** Which listeners there are, in a sentence. */
export function thereAre(names: readonly string[]): string {
  if (names.length === 0) return 'there is none';
  return names.length === 1 ? `there is ${names[0]}` : `there are ${names.join(', ')}`;
}

/** @throws ConfigurationError if it is no class with `@Reagent` */
export function requireReagent(reagent: unknown): asserts reagent is Constructor {
  if (typeof reagent !== 'function') {
    const circular = reagent === undefined ? ', which happens when two files import each other' : '';
    const message = `expected a class with @Reagent, received ${String(reagent)}${circular}`;
    throw new ConfigurationError([{ where: 'start()', path: '', message }]);
  }
  if (reagentOf(reagent as Constructor) !== undefined) return;
  const message = 'is no reagent: put @Reagent() on the class';
  throw new ConfigurationError([{ where: nameOf(reagent), path: '', message }]);
}

function unknownNames(overrides: DescriptorOverrides, known: readonly string[]): Problem[] {
  if (typeof overrides === 'function') return [];
  return Object.keys(overrides)
    .filter((name) => !known.includes(name))
    .map((name) => ({
      where: 'overrides',
      path: name,
      message: `there is no listener of that name; ${thereAre(known)}`,
    }));
}

function sameNames(described: readonly DescribedReagent[]): Problem[] {
  const first = new Map<string, Constructor>();
  const problems: Problem[] = [];
  for (const { reagent, descriptor } of described) {
    const other = first.get(descriptor.name);
    if (other === undefined) {
      first.set(descriptor.name, reagent);
      continue;
    }
    const message = `${nameOf(other)} has a listener named ${descriptor.name} already; give one of them another name`;
    problems.push({ where: nameOf(reagent), path: 'name', message });
  }
  return problems;
}
