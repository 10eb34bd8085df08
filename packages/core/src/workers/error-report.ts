import { ConfigurationError, ListenError, type Problem, ProviderError, ReagentError, StateError } from '../errors.js';

/** An error as one process tells another of it. */
export interface ErrorReport {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly code?: string;
  readonly cause?: ErrorReport;
  /** Of an `AggregateError`. */
  readonly errors?: readonly ErrorReport[];
  /** Of a `ConfigurationError`. */
  readonly problems?: readonly Problem[];
  /** Of a `ListenError`. */
  readonly listener?: string;
  readonly address?: string;
  /** Of a `ProviderError`. */
  readonly token?: string;
  readonly module?: string | undefined;
  readonly chain?: readonly string[];
}

/** How many causes of causes are told. */
const DEPTH = 4;

export function describeError(thrown: unknown, depth = DEPTH): ErrorReport {
  if (!(thrown instanceof Error)) return { name: 'Error', message: String(thrown), stack: undefined };
  const { name, message, stack, cause } = thrown;
  const { code } = thrown as { readonly code?: unknown };
  return {
    name,
    message,
    stack,
    ...(typeof code === 'string' ? { code } : {}),
    ...(cause === undefined || depth === 0 ? {} : { cause: describeError(cause, depth - 1) }),
    ...(thrown instanceof AggregateError && depth > 0
      ? { errors: thrown.errors.map((error) => describeError(error, depth - 1)) }
      : {}),
    ...(thrown instanceof ConfigurationError ? { problems: thrown.problems } : {}),
    ...(thrown instanceof ListenError ? { listener: thrown.listener, address: thrown.address } : {}),
    ...(thrown instanceof ProviderError ? { token: thrown.token, module: thrown.module, chain: thrown.chain } : {}),
  };
}

/** The error that was told of: of the same class where it is one of ours, with the stack that it had where it was thrown. */
export function restoreError(report: ErrorReport): Error {
  const error = make(report, report.cause === undefined ? undefined : restoreError(report.cause));
  if (report.stack !== undefined) error.stack = report.stack;
  return error;
}

function make(report: ErrorReport, cause: Error | undefined): Error {
  const { name, message, code, problems, listener, address, token, module, chain, errors } = report;
  const options = cause === undefined ? undefined : { cause };
  if (problems !== undefined) return new ConfigurationError(problems, options);
  if (listener !== undefined && address !== undefined && cause !== undefined) {
    return new ListenError(listener, address, cause);
  }
  if (token !== undefined && chain !== undefined) {
    // What comes before the reason is made of the other fields.
    const head = new ProviderError({ token, module, chain, reason: '' }).message;
    return new ProviderError({ token, module, chain, reason: message.slice(head.length), cause });
  }
  if (errors !== undefined) return new AggregateError(errors.map(restoreError), message, options);
  if (name === StateError.name) return new StateError(message, options);
  if (code?.startsWith('ERR_REAGENT_')) return named(new ReagentError(code, message, options), name);
  return named(Object.assign(new Error(message, options), code === undefined ? {} : { code }), name);
}

function named(error: Error, name: string): Error {
  if (error.name !== name) Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true });
  return error;
}
