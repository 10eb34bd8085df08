import { channel } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import type { Listener } from '@reagent/core';
import type { ClientTransport } from '../client/client-transport.js';
import { MemorySocket } from './memory-socket.js';

const LOOPBACK = '127.0.0.1';

/** The first port of those that a system picks for clients. */
const FIRST_PORT = 32_768;
const PORTS = 65_536 - FIRST_PORT;

let lastPort = 0;

/** Tells of each pair of sockets, as those of `node:net` are told of. */
export const memorySockets = channel('reagent.testing.memory-sockets');

/** A connection to a listener through memory: the same admission, steps and hooks, and no port. */
export class MemoryTransport implements ClientTransport {
  readonly stream: MemorySocket;
  readonly connecting = false;
  readonly name: string;
  readonly host = 'localhost';
  readonly remote: { readonly address: string; readonly port: number };

  /** @throws StateError if the listener does not listen */
  constructor(listener: Listener, localAddress = LOOPBACK) {
    this.name = `${listener.name}, in memory`;
    this.remote = { address: LOOPBACK, port: listener.port };
    const { server, client } = MemorySocket.pair(this.remote, {
      address: localAddress,
      port: FIRST_PORT + (lastPort++ % PORTS),
    });
    this.stream = client;
    memorySockets.publish({ server, client });
    // It has all that a listener uses of a socket; its type has more.
    listener.accept(server as unknown as Socket);
  }

  get localPort(): number {
    return this.stream.localPort;
  }

  /** Its ends are ends. */
  resetAtEnd(): undefined {
    return undefined;
  }

  resetWhenDestroyed(): void {
    this.stream.resetAndClosing = true;
  }
}
