import type { AcceptMode } from '../telemetry/statistics.js';
import type { BindTarget } from '../transport/bind.js';
import { BoundSocket, type SocketHandle } from '../transport/bound-socket.js';
import type { Endpoint } from '../transport/endpoint.js';
import { Turns } from '../turns.js';
import type { Order } from './messages.js';

/** A worker as far as sockets are concerned. */
export interface SocketUser {
  /** From 1; also the number of its slot. */
  readonly id: number;
  /** Whether its application is up, and accepts. */
  readonly serves: boolean;
  give(order: Order, handle?: SocketHandle): void;
}

/** Which socket, and which slot of it, a worker is to accept from. */
export interface Share {
  readonly socket: number;
  readonly slot: number;
  readonly handle: SocketHandle;
}

/** The slot of a socket that all workers accept from. */
const ONLY_SLOT = 0;

/** One of the sockets that are bound to an address, and who listens on it. */
interface Slot {
  readonly bound: BoundSocket;
  readonly users: Set<SocketUser>;
}

/** An address at which a listener serves: one socket for all workers, or as many as there are workers. */
interface Address {
  readonly socket: number;
  readonly listener: string;
  readonly target: BindTarget;
  readonly endpoint: Endpoint;
  readonly slots: Map<number, Slot>;
}

/**
 * The sockets of an application with workers, which are the supervisor's.
 *
 * It does not listen on them itself; workers do. So a connection waits in the queue of its socket while one worker replaces another, or none
 * is there: closing a socket would reset it. With `reusePort` each worker has a socket of its own, its slot; that of a worker which is
 * missing is lent to another one meanwhile.
 */
export class SharedSockets {
  readonly #accept: AcceptMode;
  readonly #addresses = new Set<Address>();
  /** Listeners that are not to be reached at the moment. */
  readonly #suspended = new Set<string>();
  /** The ports that the system has picked, by listener: it is the same one again when it resumes. */
  readonly #picked = new Map<string, number>();
  #last = 0;
  readonly #turns = new Turns();

  constructor(accept: AcceptMode) {
    this.#accept = accept;
  }

  /** Binds an address before there is a worker that asks for it. Rejects with the system's error. */
  async prepare(listener: string, target: BindTarget): Promise<void> {
    await this.#turns.take(() => this.#bind(listener, target, 1));
  }

  /** What a worker's listener is to accept from; `undefined` while it is suspended. Rejects with the system's error. */
  share(user: SocketUser, listener: string, target: BindTarget): Promise<Share | undefined> {
    // One after the other: with `port: 0` all of them want what the first one gets.
    return this.#turns.take(async () => {
      if (this.#suspended.has(listener)) return undefined;
      const { socket, slot, bound } = await this.#bind(listener, target, user.id);
      return { socket, slot, handle: bound.handle };
    });
  }

  /** Notes that a worker has been given a share. */
  taken(user: SocketUser, { socket, slot }: Pick<Share, 'socket' | 'slot'>): void {
    for (const address of this.#addresses) if (address.socket === socket) address.slots.get(slot)?.users.add(user);
  }

  /** A worker listens on a socket no longer. */
  released(user: SocketUser, socket: number): void {
    for (const address of this.#addresses) {
      if (address.socket === socket) for (const { users } of address.slots.values()) users.delete(user);
    }
  }

  /** A worker is no longer there, or does not act any more. */
  forget(user: SocketUser): void {
    for (const address of this.#addresses) for (const { users } of address.slots.values()) users.delete(user);
  }

  /**
   * Sees to it that each slot has a worker that accepts from it, its own wherever there is one.
   *
   * @param workers those that serve
   * @param complete whether none is missing: what none of them wants then, nobody will
   */
  settle(workers: readonly SocketUser[], complete: boolean): void {
    for (const address of this.#addresses) {
      if (this.#suspended.has(address.listener)) continue;
      const wanted = [...address.slots.values()].some(({ users }) => users.size > 0);
      if (!wanted && complete) {
        this.#picked.delete(address.listener);
        this.#close(address);
      } else for (const [slot, { bound, users }] of address.slots) this.#lend(address, slot, bound, users, workers);
    }
  }

  #lend(
    { socket, slots }: Address,
    slot: number,
    { handle }: BoundSocket,
    users: Set<SocketUser>,
    workers: readonly SocketUser[],
  ): void {
    if (slot === ONLY_SLOT) return;
    const sharesOf = (user: SocketUser): number => [...slots.values()].filter((other) => other.users.has(user)).length;
    if ([...users].some(({ id, serves }) => serves && id === slot)) {
      for (const user of users) {
        if (user.id === slot) continue;
        user.give({ kind: 'release', socket, slot });
        users.delete(user);
      }
      return;
    }
    if ([...users].some(({ serves }) => serves)) return;
    const [user] = workers
      .filter((worker) => sharesOf(worker) > 0)
      .sort((one, other) => sharesOf(one) - sharesOf(other));
    if (user === undefined) return;
    users.add(user);
    user.give({ kind: 'take', socket, slot }, handle);
  }

  /** Lets go of the sockets of listeners: once the workers have done so too, clients are refused. */
  suspend(listeners: readonly string[]): void {
    for (const listener of listeners) this.#suspended.add(listener);
    for (const address of this.#addresses) if (this.#suspended.has(address.listener)) this.#close(address);
  }

  /** From now on, workers may bind these listeners again. */
  resume(listeners: readonly string[]): void {
    for (const listener of listeners) this.#suspended.delete(listener);
  }

  isSuspended(listener: string): boolean {
    return this.#suspended.has(listener);
  }

  /** Lets go of all. */
  close(): void {
    for (const address of this.#addresses) this.#close(address);
  }

  #close(address: Address): void {
    this.#addresses.delete(address);
    for (const { bound } of address.slots.values()) bound.close();
  }

  /** The slot of a worker at an address, bound if it was not. */
  async #bind(
    listener: string,
    asked: BindTarget,
    worker: number,
  ): Promise<{ socket: number; slot: number; bound: BoundSocket }> {
    const picked = asked.port === 0 ? this.#picked.get(listener) : undefined;
    const target = picked === undefined ? asked : { ...asked, port: picked };
    const spreads = this.#accept === 'reusePort' && target.path === undefined && target.fd === undefined;
    const slot = spreads ? worker : ONLY_SLOT;
    let address = [...this.#addresses].find((known) => known.listener === listener && isSame(known, target));
    if (address === undefined) {
      this.#refuseTaken(target);
      // An application that is started twice by mistake would share the port with itself, and nobody would notice.
      if (spreads && !target.reusePort && target.port !== 0) (await BoundSocket.bind(target)).close();
      const bound = await BoundSocket.bind(spreads ? { ...target, reusePort: true } : target);
      address = {
        socket: ++this.#last,
        listener,
        target,
        endpoint: bound.endpoint,
        slots: new Map([[slot, { bound, users: new Set() }]]),
      };
      this.#addresses.add(address);
      if (target.port === 0) this.#picked.set(listener, bound.endpoint.port);
    }
    const { socket, slots, endpoint } = address;
    let own = slots.get(slot);
    if (own === undefined) {
      own = { bound: await BoundSocket.bind({ ...target, port: endpoint.port, reusePort: true }), users: new Set() };
      slots.set(slot, own);
    }
    return { socket, slot, bound: own.bound };
  }

  /** Sockets that are bound and not listened on yet do not keep others from being bound to the same address. */
  #refuseTaken(target: BindTarget): void {
    const owner = [...this.#addresses].find((address) => overlaps(address, target));
    if (owner === undefined) return;
    throw Object.assign(new Error(`bind EADDRINUSE: ${owner.listener} has that address`), { code: 'EADDRINUSE' });
  }
}

/** Whether a target is what an address was bound for, or where it is: a listener that resumes asks for the port it had. */
function isSame({ target, endpoint }: Address, other: BindTarget): boolean {
  if (other.path !== undefined || target.path !== undefined) return other.path === target.path;
  if (other.fd !== undefined || target.fd !== undefined) return other.fd === target.fd;
  if (other.host !== target.host || other.ipv6Only !== target.ipv6Only) return false;
  return other.port === target.port || other.port === endpoint.port;
}

function overlaps({ target, endpoint }: Address, other: BindTarget): boolean {
  if (other.path !== undefined || other.fd !== undefined) return other.path === target.path && other.fd === target.fd;
  const isPort = endpoint.family !== 'unix' && other.port !== 0 && other.port === endpoint.port;
  return isPort && (other.host === undefined || target.host === undefined || other.host === target.host);
}
