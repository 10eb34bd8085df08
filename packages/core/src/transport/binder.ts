import type { Server } from 'node:net';
import { type BindTarget, bind, unbind } from './bind.js';

/** Who has servers listen: this process, or for a worker its supervisor, which has the sockets. */
export interface Binder {
  /**
   * Has a server listen on a target. Rejects with the system's error; the server can be bound again then.
   *
   * @param listener the name of the listener that it belongs to
   */
  bind(server: Server, target: BindTarget, listener: string): Promise<void>;

  /** Has it accept no longer; does nothing if it does not listen. Whatever connections are open stay. */
  unbind(server: Server): void;
}

/** Binds in this process. */
export const ownBinder: Binder = { bind, unbind };
