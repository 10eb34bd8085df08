import { checkTlsOptions } from '../../descriptor/check.js';
import type { Problem } from '../../errors.js';
import { TlsTerminator } from './tls-terminator.js';

/**
 * Checks TLS options, and reads the certificates and keys that they name.
 *
 * @param path what the paths of problems begin with, such as `'secure'`
 */
export function readTls(
  options: unknown,
  path: string,
): { terminator: TlsTerminator } | { problems: Omit<Problem, 'where'>[] } {
  const checked = checkTlsOptions(path, options);
  return 'problems' in checked ? checked : TlsTerminator.load(checked.options, path);
}
