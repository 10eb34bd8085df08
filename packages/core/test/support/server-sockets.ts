import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

/** The sockets that servers of this process accept while it watches: what was read from them, no client can see. */
export class ServerSockets implements Disposable {
  readonly all: Socket[] = [];
  readonly #accepted = (message: unknown): void => {
    this.all.push((message as { readonly socket: Socket }).socket);
  };

  constructor() {
    subscribe('net.server.socket', this.#accepted);
  }

  [Symbol.dispose](): void {
    unsubscribe('net.server.socket', this.#accepted);
  }
}
