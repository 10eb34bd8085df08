import { ConfigurationError, type Problem } from '../errors.js';
import type { Logger } from '../telemetry/logger.js';
import type { TlsTerminator } from '../transport/tls/tls-terminator.js';

/** The certificates in use in an application: reloaded together, and watched where that is asked for. */
export class Certificates {
  readonly #logger: Logger;
  /** Each with the name that it is called by in the log. */
  readonly #inUse = new Map<TlsTerminator, string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** @param owner the listener they belong to, or what else a reader knows them by */
  add(tls: TlsTerminator, owner: string): void {
    if (this.#inUse.has(tls)) return;
    this.#inUse.set(tls, owner);
    tls.warn(owner, this.#logger);
    if (tls.watches) tls.watch(() => this.#reloadWatched(tls, owner));
  }

  delete(tls: TlsTerminator): void {
    tls.unwatch();
    this.#inUse.delete(tls);
  }

  clear(): void {
    for (const tls of [...this.#inUse.keys()]) this.delete(tls);
  }

  /**
   * Reads all files again.
   *
   * @throws ConfigurationError with all that is wrong; where something is, the old certificates stay in use
   */
  reload(): void {
    const problems: Problem[] = [];
    for (const [tls, owner] of this.#inUse) {
      try {
        tls.reload(owner, this.#logger);
      } catch (error) {
        if (!(error instanceof ConfigurationError)) throw error;
        problems.push(...error.problems);
      }
    }
    if (problems.length > 0) throw new ConfigurationError(problems);
  }

  #reloadWatched(tls: TlsTerminator, owner: string): void {
    try {
      tls.reload(owner, this.#logger);
    } catch (error) {
      this.#logger.error({ listener: owner, err: error }, 'changed certificates are not used, the old ones stay');
    }
  }
}
