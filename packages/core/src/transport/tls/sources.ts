import { resolve } from 'node:path';
import { type FileStates, readWithState } from './certificate-files.js';
import { isPem } from './pem.js';
import type { PemSource } from './tls-options.js';
import type { TlsReport } from './tls-report.js';

/** What a source holds. */
export interface Material {
  readonly bytes: Buffer;
  /** What it is called in a message: the path of its file, `'the PEM text'` or `'the buffer'`. */
  readonly name: string;
}

/** Reads what TLS options name, and keeps account of the files. */
export class Sources {
  readonly #report: TlsReport;
  readonly #files = new Map<string, string>();
  /** By path: what serves in several places is read once, so that all of them get the same. */
  readonly #read = new Map<string, Material | string>();

  constructor(report: TlsReport) {
    this.#report = report;
  }

  /** The files that have been read, as they were then. */
  get files(): FileStates {
    return this.#files;
  }

  /** What is in a source; `undefined` if it cannot be read, which is reported for `field`. */
  read(field: string, source: PemSource): Material | undefined {
    if (typeof source !== 'string') return { bytes: asBuffer(source), name: 'the buffer' };
    if (isPem(source)) return { bytes: Buffer.from(source), name: 'the PEM text' };
    if (!isPath(source)) {
      // Whatever it is, it may be secret.
      this.#report.problem(field, 'is neither PEM text, which has a line with -----BEGIN, nor the path of a file');
      return undefined;
    }
    const path = resolve(source);
    let found = this.#read.get(path);
    if (found === undefined) {
      found = this.#readFile(path);
      this.#read.set(path, found);
    }
    if (typeof found !== 'string') return found;
    this.#report.problem(field, found);
    return undefined;
  }

  /** What is in a file, or why it cannot be read. */
  #readFile(path: string): Material | string {
    try {
      const { bytes, state } = readWithState(path);
      this.#files.set(path, state);
      return { bytes, name: path };
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR')
        return `there is no file ${path}; check the path, which begins at the working directory unless it is absolute`;
      if (code === 'EACCES' || code === 'EPERM')
        return `${path} may not be read by this process; grant it to the user that runs it`;
      if (code === 'EISDIR') return `${path} is a directory; name the file in it`;
      return `${path} cannot be read: ${message}`;
    }
  }
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whether text can be a path. A key without its first and last line, in one line or several, is none. */
function isPath(text: string): boolean {
  return !/[\0\r\n]/.test(text) && !/^M[A-Za-z0-9+/]{40,}=*$/.test(text);
}
