import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { now } from '../client/real-time.js';
import type { MemorySocket } from '../memory/memory-socket.js';
import { memorySockets } from '../memory/memory-transport.js';

// As it was when this was loaded, since a test may put a faked one in its place.
const { setImmediate: startImmediate } = globalThis;

/** What is known of a client from outside: `undefined` where it has no port, on a Unix socket. */
export interface PortBearer {
  readonly localPort: number | undefined;
}

interface ServerEnd {
  readonly socket: Socket | MemorySocket;
  readonly remotePort: number | undefined;
}

/**
 * The sockets that are opened in this process while it watches, those in memory included: the client's end of a connection, and the
 * server's where the server is in this process too. Together they tell whether what one has sent was read by the other, which no client
 * can see.
 */
export class SocketEnds implements Disposable {
  #clients: (Socket | MemorySocket)[] = [];
  #servers: ServerEnd[] = [];

  constructor() {
    subscribe('net.client.socket', this.#clientOpened);
    subscribe('net.server.socket', this.#serverOpened);
    memorySockets.subscribe(this.#pairMade);
  }

  [Symbol.dispose](): void {
    unsubscribe('net.client.socket', this.#clientOpened);
    unsubscribe('net.server.socket', this.#serverOpened);
    memorySockets.unsubscribe(this.#pairMade);
    this.forget();
  }

  /** Forgets those that were opened so far. */
  forget(): void {
    this.#clients = [];
    this.#servers = [];
  }

  /** Whether the client was opened while this watched. */
  knows(client: PortBearer): boolean {
    return this.#clientEnds(client).length > 0;
  }

  /**
   * Waits until the server has read all that the client has sent, or has closed its end; which of them, is told.
   *
   * @param timeout in ms, after which it is neither
   */
  async whenRead(client: PortBearer, timeout: number): Promise<'read' | 'closed' | 'neither'> {
    const deadline = now() + timeout;
    for (;;) {
      const outcome = this.#look(client);
      if (outcome !== undefined) return outcome;
      if (now() > deadline) return 'neither';
      // Nothing announces that bytes were read. Both ends are in this event loop, so each turn of it may have done it.
      await new Promise((resolve) => startImmediate(resolve));
    }
  }

  #look(client: PortBearer): 'read' | 'closed' | undefined {
    const servers = this.#servers.filter(({ remotePort }) => remotePort === client.localPort);
    // The kernel has connected it, and the server has not accepted it yet.
    if (servers.length === 0) return undefined;
    if (servers.every(({ socket }) => socket.destroyed)) return 'closed';
    const read = servers.reduce((sum, { socket }) => sum + socket.bytesRead, 0);
    const written = this.#clientEnds(client).reduce((sum, socket) => sum + socket.bytesWritten, 0);
    return read >= written ? 'read' : undefined;
  }

  /** Those of Unix sockets cannot be told apart, so there it is all of them. */
  #clientEnds({ localPort }: PortBearer): readonly (Socket | MemorySocket)[] {
    return this.#clients.filter((socket) => socket.localPort === localPort);
  }

  readonly #clientOpened = (message: unknown): void => {
    this.#clients.push((message as { socket: Socket }).socket);
  };

  readonly #serverOpened = (message: unknown): void => {
    const { socket } = message as { socket: Socket };
    // Asked for at once: a closed socket no longer knows it.
    this.#servers.push({ socket, remotePort: socket.remotePort });
  };

  readonly #pairMade = (message: unknown): void => {
    const { server, client } = message as { server: MemorySocket; client: MemorySocket };
    this.#clients.push(client);
    this.#servers.push({ socket: server, remotePort: server.remotePort });
  };
}
