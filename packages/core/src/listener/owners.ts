import { Connection } from '../connection/connection.js';
import { type Hooks, hooksOf } from '../decorators/hooks.js';
import type { Constructor } from '../decorators/metadata.js';
import type { DependencyContainer, InjectionToken } from '../tsyringe.js';
import { Listener } from './listener.js';

type AnyConnection = Connection<unknown, unknown>;

/** Where connections get their owner from: the object whose hooks are called for them. */
export interface Owners {
  readonly hooks: Hooks;
  /** What `@OnAccept` is called on, before there is an owner. */
  readonly acceptor: object;
  /** The owner of a new connection. Throws what its constructor or the container throws. */
  own(connection: AnyConnection, listener: Listener): object;
  /** The connection is over. */
  disown(connection: AnyConnection): Promise<void> | undefined;
}

/** One instance for all connections. */
export function singletonOwner(reagent: Constructor, instance: object): Owners {
  const hooks = hooksOf(reagent);
  return {
    hooks,
    acceptor: hooks.acceptIsStatic ? reagent : instance,
    own: () => instance,
    disown: () => undefined,
  };
}

// Abstract classes serve as tokens as well as any; tsyringe's type only knows those that can be constructed.
const connectionToken = Connection as unknown as InjectionToken<AnyConnection>;
const listenerToken = Listener as unknown as InjectionToken<Listener>;

/** A fresh instance for each connection, from a container of its own in which the connection and its listener can be injected. */
export function connectionOwners(reagent: Constructor, container: DependencyContainer): Owners {
  const children = new Map<AnyConnection, DependencyContainer>();
  return {
    hooks: hooksOf(reagent),
    acceptor: reagent,
    own(connection, listener) {
      const child = container.createChildContainer();
      children.set(connection, child);
      child.registerInstance(connectionToken, connection);
      child.registerInstance(listenerToken, listener);
      return child.resolve(reagent);
    },
    disown(connection) {
      const child = children.get(connection);
      children.delete(connection);
      return child?.dispose() as Promise<void> | undefined;
    },
  };
}
