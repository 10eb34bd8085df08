import { hintAt } from '../descriptor/spelling.js';
import { StateError } from '../errors.js';
import type { Logger } from '../telemetry/logger.js';
import type { TlsOptions } from '../transport/tls/tls-options.js';
import type { DependencyContainer } from '../tsyringe.js';
import type { WorkersInput } from '../workers/workers-options.js';
import type { DescriptorOverrides } from './descriptors.js';

export interface BootstrapOptions {
  /** Any object with pino's methods. Default: one readable line an event on stderr, from level info on. */
  readonly logger?: Logger | undefined;
  /** The TLS options that `secure: true` in a descriptor, and `conn.startTls()`, stand for. Default: none. */
  readonly secure?: TlsOptions | undefined;
  /**
   * Whether listeners bind their addresses. Without, they serve only what `listener.accept()` is given: sockets that were accepted
   * elsewhere, or connections in the memory of a test. Default: `true`.
   */
  readonly listen?: boolean | undefined;
  /** What is to be different from the descriptors in the code, by listener name. Default: nothing. */
  readonly overrides?: DescriptorOverrides | undefined;
  /**
   * Whether SIGTERM and SIGINT stop the application, a second one of them ends the process at once, and SIGHUP has it `reload()`.
   * Default: `true`.
   */
  readonly signals?: boolean | undefined;
  /** The container that the application's own is made in: what is registered there can be injected. Default: tsyringe's global one. */
  readonly container?: DependencyContainer | undefined;
  /**
   * Serves with so many worker processes: `'auto'` for as many as there are cores, or options. This process then supervises, and each
   * worker runs the same main file, up to here and on; `app.worker` tells which one a process is. Default: serves in this process.
   */
  readonly workers?: WorkersInput | undefined;
}

const knownOptions: readonly string[] = [
  'logger',
  'secure',
  'listen',
  'overrides',
  'signals',
  'container',
  'workers',
] satisfies (keyof BootstrapOptions)[];

const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

/** @throws StateError for a logger that lacks a method, and for options that there are not */
export function requireKnown(options: BootstrapOptions): void {
  const missing = levels.filter((level) => typeof options.logger?.[level] !== 'function');
  if (options.logger !== undefined && missing.length > 0) {
    throw new StateError(
      `the logger has no method ${missing.join(', ')}; it needs ${levels.join(', ')}, as pino's has`,
    );
  }
  const unknown = Object.keys(options).find((key) => !knownOptions.includes(key));
  if (unknown !== undefined)
    throw new StateError(`bootstrap has no option ${unknown}; ${hintAt(unknown, knownOptions)}`);
}
