import { type FileHandle, open } from 'node:fs/promises';
import { ConnectionClosedError, UnexpectedEndError } from '../errors.js';
import type { SendFileOptions } from './connection.js';
import type { OutboundSource } from './outbound.js';

/** Bytes of a file that are in memory at a time. */
const PART = 65_536;

/** Who is told when a file cannot be sent to the end. */
export interface FileSender {
  /** Some of the file was sent, and the rest cannot be: what follows would be taken for it. */
  fileBroken(error: Error): void;
  /** Why the connection has closed, if it has. */
  closedError(): ConnectionClosedError;
}

/** A file on its way out: read a part at a time, each when the one before has been taken. */
export class FileSource implements OutboundSource {
  readonly #sender: FileSender;
  readonly #path: string;
  readonly #options: SendFileOptions;
  #file: FileHandle | undefined;
  #part: Buffer | undefined;
  #position = 0;
  #remaining = 0;
  #sent = 0;
  #error: unknown;
  #ended = false;
  #settle: { resolve: (sent: number) => void; reject: (error: unknown) => void } | undefined;

  /** Resolves with the number of bytes sent, when the kernel has taken them all. */
  readonly done: Promise<number>;

  constructor(sender: FileSender, path: string, options: SendFileOptions) {
    requireWhole('offset', options.offset);
    requireWhole('size', options.size);
    this.#sender = sender;
    this.#path = path;
    this.#options = options;
    this.done = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  get remaining(): number {
    return this.#remaining;
  }

  async next(): Promise<Uint8Array | undefined> {
    try {
      return await this.#read();
    } catch (error) {
      this.#error = error;
      if (this.#sent > 0) this.#sender.fileBroken(error as Error);
      return undefined;
    }
  }

  end(delivered: boolean): void {
    const file = this.#file;
    this.#ended = true;
    this.#file = undefined;
    this.#part = undefined;
    this.#remaining = 0;
    file?.close().catch(() => {
      // It was only read from: that it cannot be closed takes nothing from what was sent.
    });
    if (this.#error !== undefined) this.#settle?.reject(this.#error);
    else if (delivered) this.#settle?.resolve(this.#sent);
    else this.#settle?.reject(this.#sender.closedError());
  }

  async #read(): Promise<Uint8Array | undefined> {
    if (this.#part === undefined) await this.#open();
    const file = this.#file;
    const part = this.#part;
    if (file === undefined || part === undefined || this.#remaining === 0) return undefined;
    const { bytesRead } = await file.read(part, 0, Math.min(part.length, this.#remaining), this.#position);
    if (bytesRead === 0) throw new UnexpectedEndError(this.#sent, this.#sent + this.#remaining);
    this.#position += bytesRead;
    this.#remaining -= bytesRead;
    this.#sent += bytesRead;
    return part.subarray(0, bytesRead);
  }

  async #open(): Promise<void> {
    const { offset = 0, size } = this.#options;
    const file = await open(this.#path, 'r');
    // The connection may have closed meanwhile.
    if (this.#ended) return file.close();
    this.#file = file;
    const { size: whole } = await file.stat();
    const wanted = size ?? Math.max(0, whole - offset);
    if (offset + wanted > whole) {
      throw new RangeError(`${this.#path} has ${whole} bytes, not the ${offset + wanted} that offset and size ask for`);
    }
    this.#position = offset;
    this.#remaining = wanted;
    this.#part = Buffer.allocUnsafeSlow(Math.max(1, Math.min(PART, wanted)));
  }
}

function requireWhole(what: string, value: number | undefined): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) return;
  throw new RangeError(`sendFile({ ${what} }) takes a whole number of bytes from 0 on, not ${value}`);
}
