import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CertificateAndKey, Certificates } from './certificates.js';

/** Where a certificate and its key are. */
export interface CertificatePaths {
  readonly cert: string;
  readonly key: string;
}

/** Certificates as files, for a server that reads and reloads them. Made by `Certificates.files()`. */
export class CertificateFiles {
  readonly directory: string;
  /** The path of the authority's certificate. */
  readonly ca: string;
  readonly server: CertificatePaths;
  readonly client: CertificatePaths;
  readonly #written: Set<string>;
  readonly #ownDirectory: boolean;

  private constructor(directory: string, ownDirectory: boolean) {
    this.directory = directory;
    this.#ownDirectory = ownDirectory;
    this.ca = join(directory, 'ca.pem');
    this.server = this.#pathsOf('server');
    this.client = this.#pathsOf('client');
    this.#written = new Set([this.ca]);
  }

  static async write(certificates: Certificates, directory?: string): Promise<CertificateFiles> {
    const own = directory === undefined ? await mkdtemp(join(tmpdir(), 'reagent-')) : undefined;
    const files = new CertificateFiles(directory ?? own ?? '', own !== undefined);
    await replace(files.ca, certificates.ca.cert);
    await files.write('server', certificates.server);
    await files.write('client', certificates.client);
    return files;
  }

  /**
   * Writes `<name>.pem` and `<name>.key.pem`. Files that are there are replaced, each in one step, the key first: who reads them
   * meanwhile finds the old or the new ones, or a key that does not go with its certificate, but never half a file.
   *
   * @example
   * ```ts
   * import { certificates } from '@reagent/testing';
   *
   * const ca = await certificates();
   * await using files = await ca.files();
   * await files.write('server', await ca.for('localhost', { days: 60 }));
   * ```
   */
  async write(name: string, { cert, key }: CertificateAndKey): Promise<CertificatePaths> {
    const paths = this.#pathsOf(name);
    this.#written.add(paths.cert).add(paths.key);
    await replace(paths.key, key);
    await replace(paths.cert, cert);
    return paths;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const remains = this.#ownDirectory ? [this.directory] : this.#written;
    for (const path of remains) await rm(path, { recursive: true, force: true });
  }

  #pathsOf(name: string): CertificatePaths {
    return { cert: join(this.directory, `${name}.pem`), key: join(this.directory, `${name}.key.pem`) };
  }
}

async function replace(path: string, text: string): Promise<void> {
  const next = `${path}.next`;
  await writeFile(next, text, { mode: 0o600 });
  await rename(next, path);
}
