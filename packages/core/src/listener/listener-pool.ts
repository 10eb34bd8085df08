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
    for (const listener of listeners) this.#add(listener);
    try {
      for (const listener of listeners) await listener.bind();
    } catch (error) {
      await Promise.all(listeners.map((listener) => listener.stop({ timeout: 0 })));
      throw error;
    }
  }

  /** Serves whoever has come to these listeners, and will come. */
  open(listeners: readonly SocketListener[]): void {
    for (const listener of listeners) listener.open();
  }

  #add(listener: SocketListener): void {
    this.#listeners.set(listener.name, listener);
    // One that has stopped, by itself or before it was up, is forgotten, so that its name is free again.
    void listener.over.then(() => this.#listeners.delete(listener.name));
  }

  suspend(): Promise<void> {
    return allDone([...this.#listeners.values()].map((listener) => listener.suspend()));
  }

  resume(): Promise<void> {
    return allDone([...this.#listeners.values()].map((listener) => resumeUnlessStopping(listener)));
  }

  async stop(options?: StopOptions): Promise<void> {
    await Promise.all(this.all.map((listener) => listener.stop(options)));
  }
}

async function resumeUnlessStopping(listener: SocketListener): Promise<void> {
  try {
    await listener.resume();
  } catch (error) {
    // Of all listeners, those are meant that there will be.
    if (!listener.isStopping) throw error;
  }
}

/** Waits for all of them, and then rejects with the first error, if there is one. */
async function allDone(operations: readonly Promise<void>[]): Promise<void> {
  const outcomes = await Promise.allSettled(operations);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}
