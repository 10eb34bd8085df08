import { ConfigurationError } from '../errors.js';
import { readTls } from '../transport/tls/read-tls.js';
import type { TlsOptions } from '../transport/tls/tls-options.js';
import type { TlsTerminator } from '../transport/tls/tls-terminator.js';

const loaded = new WeakMap<TlsOptions, TlsTerminator>();

/**
 * The certificates that the options of `startTls(options)` name: checked and read for the first connection, and kept for all others that
 * come with the same object.
 *
 * @throws ConfigurationError
 */
export function upgradeCertificates(options: TlsOptions): TlsTerminator {
  const known = loaded.get(options);
  if (known !== undefined) return known;
  const found = readTls(options, 'startTls');
  if ('problems' in found) {
    throw new ConfigurationError(found.problems.map((problem) => ({ where: 'startTls()', ...problem })));
  }
  loaded.set(options, found.terminator);
  return found.terminator;
}
