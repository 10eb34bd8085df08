import type { Listener, StopOptions } from './listener.js';
import type { SocketListener } from './socket-listener.js';

/** The listeners of an application: bound together or not at all, and stopped together. */
export class ListenerPool {
  readonly #listeners = new Map<string, SocketListener>();

  get all(): readonly Listener[] {
    return [...this.#listeners.values()];
  }

  get(name: string): Listener | undefined {
    return this.#listeners.get(name);
  }

  /** The longest time that a listener's connections have when it stops, in milliseconds. */
  get shutdownTimeout(): number {
    return Math.max(0, ...[...this.#listeners.values()].map((listener) => listener.shutdownTimeout));
  }

  /** Binds listeners in order. If one cannot bind, those bound here are released, and its ListenError is thrown. */
  async bind(listeners: readonly SocketListener[]): Promise<void> {
    for (const listener of listeners) this.#listeners.set(listener.name, listener);
    try {
      for (const listener of listeners) await listener.bind();
    } catch (error) {
      await Promise.all(listeners.map((listener) => listener.stop({ timeout: 0 })));
      for (const listener of listeners) this.#listeners.delete(listener.name);
      throw error;
    }
  }

  /** Serves whoever has come to these listeners, and will come. */
  open(listeners: readonly SocketListener[]): void {
    for (const listener of listeners) {
      listener.open();
      // One that was stopped by itself is forgotten, so that its name is free again.
      void listener.over.then(() => {
        if (this.#listeners.get(listener.name) === listener) this.#listeners.delete(listener.name);
      });
    }
  }

  async suspend(): Promise<void> {
    await Promise.all(this.all.map((listener) => listener.suspend()));
  }

  async resume(): Promise<void> {
    await Promise.all(this.all.map((listener) => listener.resume()));
  }

  async stop(options?: StopOptions): Promise<void> {
    await Promise.all(this.all.map((listener) => listener.stop(options)));
  }
}
