import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { BindTarget } from '../transport/bind.js';
import type { Binder } from '../transport/binder.js';
import { listenOn, type SocketHandle } from '../transport/bound-socket.js';
import { restoreError } from './error-report.js';
import type { Order, Report } from './messages.js';

type Answer = Extract<Order, { readonly kind: 'bound' | 'unbound' | 'refused' }>;
type Loan = Extract<Order, { readonly kind: 'take' | 'release' }>;

/** Takes an answer, and the socket that has come with it. */
type Asker = (answer: Answer, handle: SocketHandle | undefined) => void;

/** A server that listens on a supervisor's socket. */
interface Tenant {
  readonly server: Server;
  readonly socket: number;
  readonly backlog: number;
  /** Other workers' slots of the socket, each with a server of its own. */
  readonly lent: Map<number, Server>;
}

/** Has the servers of a worker listen on the sockets of its supervisor. */
export class SharedBinder implements Binder {
  readonly #tell: (report: Report) => void;
  readonly #asking = new Map<number, Asker>();
  readonly #tenants = new Map<Server, Tenant>();
  #last = 0;

  /** @param tell brings a message to the supervisor */
  constructor(tell: (report: Report) => void) {
    this.#tell = tell;
  }

  async bind(server: Server, target: BindTarget, listener: string): Promise<void> {
    const ask = ++this.#last;
    const [answer, handle] = await new Promise<Parameters<Asker>>((resolve) => {
      this.#asking.set(ask, (...given) => resolve(given));
      this.#tell({ kind: 'bind', ask, listener, target });
    });
    if (answer.kind === 'refused') throw restoreError(answer.error);
    if (answer.kind === 'unbound' || handle === undefined) return;
    const { socket } = answer;
    const tenant = { server, socket, backlog: target.backlog, lent: new Map<number, Server>() };
    // Before it listens: a slot may be lent at once.
    this.#tenants.set(server, tenant);
    listenOn(server, handle, target.backlog);
    try {
      await once(server, 'listening');
    } catch (error) {
      this.#tenants.delete(server);
      this.#tell({ kind: 'released', socket });
      throw error;
    }
  }

  unbind(server: Server): void {
    const tenant = this.#tenants.get(server);
    if (tenant === undefined) return;
    this.#tenants.delete(server);
    server.close();
    for (const lent of tenant.lent.values()) lent.close();
    this.#tell({ kind: 'released', socket: tenant.socket });
  }

  /** Has all servers accept no longer, whatever their listeners think. */
  unbindAll(): void {
    for (const server of [...this.#tenants.keys()]) this.unbind(server);
  }

  answered(answer: Answer, handle: SocketHandle | undefined): void {
    this.#asking.get(answer.ask)?.(answer, handle);
    this.#asking.delete(answer.ask);
  }

  take({ socket, slot }: Loan, handle: SocketHandle): void {
    const tenant = this.#tenantOf(socket);
    if (tenant === undefined) {
      // Released meanwhile, which the supervisor is about to learn.
      handle.close();
      return;
    }
    const lent = createServer(optionsOf(tenant.server));
    lent.on('connection', (connection) => tenant.server.emit('connection', connection));
    lent.on('error', (error) => tenant.server.emit('error', error));
    tenant.lent.set(slot, lent);
    listenOn(lent, handle, tenant.backlog);
  }

  release({ socket, slot }: Loan): void {
    const tenant = this.#tenantOf(socket);
    tenant?.lent.get(slot)?.close();
    tenant?.lent.delete(slot);
  }

  #tenantOf(socket: number): Tenant | undefined {
    return [...this.#tenants.values()].find((tenant) => tenant.socket === socket);
  }
}

/** What `net.Server` keeps of the options it was made with. */
interface ServerOptions {
  readonly allowHalfOpen: boolean;
  readonly pauseOnConnect: boolean;
  readonly noDelay: boolean;
  readonly keepAlive: boolean;
  /** Seconds. */
  readonly keepAliveInitialDelay: number;
}

function optionsOf(server: Server) {
  const { allowHalfOpen, pauseOnConnect, noDelay, keepAlive, keepAliveInitialDelay } =
    server as unknown as ServerOptions;
  return { allowHalfOpen, pauseOnConnect, noDelay, keepAlive, keepAliveInitialDelay: keepAliveInitialDelay * 1_000 };
}
