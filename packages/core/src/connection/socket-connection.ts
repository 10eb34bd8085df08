// What the owner and the listener of a connection call: noted, and left to the life below to decide about.

import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { ConnectionClosedError, StateError, TimeoutError, TlsError } from '../errors.js';
import { hold, nobody, passOn, resetSocket } from '../transport/held-socket.js';
import type { TlsOptions } from '../transport/tls/tls-options.js';
import { asError } from './as-error.js';
import type { RecvLengthOptions, RecvOptions, RecvUntilOptions, SendFileOptions, SocketOptions } from './connection.js';
import { faultOfOwner } from './faults.js';
import { type FileSender, FileSource } from './file-source.js';
import { MessageIterator } from './message-iterator.js';
import { nextMessage, readRequest, readTimeout } from './read-request.js';
import { SocketLife } from './socket-life.js';
import { applySocketOptions } from './socket-options.js';
import { type LinkedConnection, StreamLink } from './stream-link.js';
import { TlsUpgrade, type UpgradingConnection } from './tls-upgrade.js';

/**
 * A connection over a socket.
 *
 * It is one object in four layers, each of which knows those before it: what is known of it (`SocketFacts`), what goes through it
 * (`SocketFlow`), what decides about it (`SocketLife`), and this one, which is asked. One object, since each costs memory that an idle
 * connection does not give back.
 */
export class SocketConnection<In, Out>
  extends SocketLife<In, Out>
  implements FileSender, LinkedConnection, UpgradingConnection
{
  // What the owner calls: sending.

  /** Hot path. */
  send(message: Out): boolean {
    const outbound = this.outbound;
    if (outbound.ended) return false;
    this.codec.encode(message, outbound);
    this.host.counters.messagesOut++;
    return !outbound.isFull;
  }

  drained(): Promise<void> {
    return new Promise((resolve) => this.outbound.whenDrained(resolve));
  }

  sendFile(path: string, options: SendFileOptions = {}): Promise<number> {
    this.learnRemote();
    let file: FileSource;
    try {
      file = new FileSource(this, path, options);
    } catch (error) {
      return Promise.reject(error);
    }
    file.done.catch((error: Error) => {
      // Whoever waits for it gets the error; whoever does not is told here. That the client left is an everyday matter.
      if (error instanceof ConnectionClosedError) return;
      this.host.gate.writeError('warn', 'sendFile() failed', error, () => this.logFields());
    });
    if (this.outbound.ended) {
      file.end(false);
    } else {
      this.host.counters.messagesOut++;
      this.outbound.writeFrom(file);
    }
    return file.done;
  }

  fileBroken(error: Error): void {
    if (this.isClosed) return;
    this.reason ??= { kind: 'error', error };
    this.tell(error);
    resetSocket(this.socket);
  }

  // Receiving.

  recv(options?: RecvOptions): Promise<In | null>;
  recv(length: number): Promise<Buffer | null>;
  recv(options: RecvLengthOptions | RecvUntilOptions): Promise<Buffer | null>;
  recv(wanted?: number | RecvOptions | RecvLengthOptions | RecvUntilOptions): Promise<In | Buffer | null> {
    try {
      return this.receive(readRequest(wanted), false, readTimeout(wanted)) as Promise<In | Buffer | null>;
    } catch (error) {
      return Promise.reject(asError(error));
    }
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<In> {
    return new MessageIterator<In>(() => this.receive(nextMessage, true, undefined) as Promise<IteratorResult<In>>);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.pump();
  }

  // The stream.

  get stream(): Duplex {
    if (this.link === undefined) {
      this.link = new StreamLink(this, this.outbound);
      if (this.isEnding) this.link.stream.destroy();
    }
    return this.link.stream;
  }

  linkWants(): void {
    this.pump();
  }

  linkDestroyed(error: Error | null): void {
    if (error === null) this.close();
    else this.resetBecause({ kind: 'server', error });
  }

  // The change to TLS.

  startTls(options?: TlsOptions): Promise<void> {
    try {
      this.learnRemote();
      if (this.outbound.ended || this.isEnding || this.isFailing) throw this.closedError();
      if (this.secure || this.upgrade !== undefined) {
        throw new StateError('startTls() was called on a connection that is encrypted already, or about to be');
      }
      if (this.link !== undefined) throw new StateError('startTls() was called on a connection whose stream was taken');
      if (this.isReaderWaiting) throw new StateError('startTls() was called while a recv() waits: await it first');
      const terminator = this.host.terminator(options);
      const received = this.inbound.takeAll();
      // The codec may have kept something for bytes that were to come in plain text.
      this.inbound.codec = this.codec;
      this.upgrade = 'under way';
      const upgrade = new TlsUpgrade(this, this.socket, terminator, this.host.startTimeout);
      if (received === undefined || upgrade.takes(received)) {
        passOn(this.socket, upgrade);
        this.outbound.writeFrom(upgrade);
      }
      return upgrade.done;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  upgraded(socket: TLSSocket, since: number): void {
    this.upgrade = 'done';
    this.host.handshakeEnded(this.self, { since, socket, error: undefined });
    passOn(this.socket, nobody);
    hold(socket, this);
    this.changeSocket(socket);
    this.touch();
  }

  upgradeFailed(error: TlsError | TimeoutError, since: number): void {
    // Before anything else, so that nothing that was sent for TLS leaves without it. Only a TLS socket that has failed has something
    // left to tell the client; it closes by itself.
    if (error instanceof TimeoutError || error.failure === 'plaintext') resetSocket(this.socket);
    if (this.isEnding) return;
    this.host.handshakeEnded(this.self, { since, socket: undefined, error });
    this.fail(error);
  }

  // Whose it is, and how it ends.

  handOver(owner: object): void {
    const fault = faultOfOwner(owner);
    if (fault !== undefined) throw new StateError(`what handOver() was given ${fault}`);
    this.noteOwner(owner);
  }

  exempt(): void {
    this.host.connectionExempt(this.self);
  }

  setOptions(options: SocketOptions): void {
    applySocketOptions(this.socket, options);
    if (options.highWaterMark !== undefined) {
      this.outbound.highWaterMark = options.highWaterMark;
      this.pump();
    }
  }

  shutdown(how: 'read' | 'write' | 'both'): void {
    if (how === 'both') return this.close();
    if (how === 'write') {
      this.outbound.end();
    } else if (how === 'read') {
      // What is dropped needs nobody's attention.
      this.paused = false;
      this.dropInput();
      this.pump();
    } else {
      throw new TypeError(`shutdown() takes 'read', 'write' or 'both', not ${String(how)}`);
    }
  }

  close(): void {
    this.end(this.inbound.ended ? 'client' : this.isStopping ? 'shutdown' : 'server');
  }

  reset(): void {
    this.resetBecause({ kind: this.isStopping ? 'shutdown' : 'server' });
  }

  // What the listener calls, besides `start`, `abandon` and `stop`: a time limit has passed.

  /** The time to stop in is over. */
  cutOff(): void {
    if (this.isUndelivered) this.reason = { kind: 'shutdown' };
    this.resetBecause({ kind: 'shutdown' });
  }

  /** From now on there is an idle limit: its time runs from here, since nobody has noted when the client was last heard. */
  idleBegins(): void {
    this.restartIdleTime();
  }

  idleExpired(): void {
    if (this.isEnding || this.isFailing) return;
    const handlerWaits = this.isReaderWaiting || this.link?.wants === true;
    const isBusy = !handlerWaits && (this.runner.running !== undefined || this.link !== undefined);
    if (isBusy || !this.isListening) {
      // It is the server who does not listen, and perhaps the client who waits.
      this.restartIdleTime();
    } else {
      this.noteTimeout(this.host.idle?.duration ?? 0);
    }
  }

  sendExpired(): void {
    if (this.isClosed) return;
    const error = new TimeoutError('send', this.host.send.duration);
    if (this.reason === undefined || this.isUndelivered) this.reason = { kind: 'timeout', error };
    this.tell(error);
    resetSocket(this.socket);
  }

  lingerExpired(): void {
    this.socket.destroy();
  }
}
