import type { Problem } from '../../errors.js';

/** What is wrong with a field of TLS options, or deserves a look. */
export type TlsProblem = Pick<Problem, 'path' | 'message'>;

/** What was found while TLS options were read. */
export class TlsReport {
  /** What has to be put right. */
  readonly problems: TlsProblem[] = [];
  /** What works, but deserves a look. */
  readonly warnings: TlsProblem[] = [];

  problem(path: string, message: string): void {
    this.problems.push({ path, message });
  }

  warn(path: string, message: string): void {
    this.warnings.push({ path, message });
  }
}

/** What OpenSSL has to say, without its numbers: `'ee key too small'`. It never repeats what it was given. */
export function opensslReason(error: unknown): string {
  const { reason, message } = error as Error & { readonly reason?: string };
  return reason ?? message.slice(message.lastIndexOf('::') + 1).replace(/^:/, '');
}
