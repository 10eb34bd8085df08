import type { Registry } from 'prom-client';
import { EventLoopDelay } from '../event-loop-delay.js';
import { enclose, type Message, open, pack, type Question } from './messages.js';

/** Between two reports on its condition, in milliseconds. */
const INTERVAL = 1_000;

/** A worker's end of the line to the supervisor that serves operations: tells its condition every second, and its metrics when asked. */
export class WorkerPost {
  readonly #worker: number;
  readonly #registry: Registry;
  readonly #delayed: (seconds: number) => void;
  readonly #delay = new EventLoopDelay();
  readonly #timer: NodeJS.Timeout;
  #lastTold = performance.now();
  #lastUsage = process.cpuUsage();

  /**
   * @param worker the worker's number
   * @param delayed is told every delay of the event loop, in seconds
   */
  constructor(worker: number, registry: Registry, delayed: (seconds: number) => void) {
    this.#worker = worker;
    this.#registry = registry;
    this.#delayed = delayed;
    process.on('message', this.#received);
    this.#timer = setInterval(() => this.#tellCondition(), INTERVAL).unref();
    this.#tellCondition();
  }

  dispose(): void {
    clearInterval(this.#timer);
    process.off('message', this.#received);
    this.#delay.dispose();
  }

  readonly #received = (received: unknown): void => {
    const question = open<Question>(received);
    if (question !== undefined) void this.#answer(question);
  };

  async #answer({ ask }: Question): Promise<void> {
    try {
      const metrics = pack(await this.#registry.getMetricsAsJSON());
      this.#tell({ kind: 'metrics', ask, worker: this.#worker, metrics });
    } catch (error) {
      this.#tell({ kind: 'failed', ask, reason: String(error) });
    }
  }

  #tellCondition(): void {
    for (const milliseconds of this.#delay.drain()) this.#delayed(milliseconds / 1_000);
    const now = performance.now();
    const usage = process.cpuUsage();
    const used = usage.user + usage.system - this.#lastUsage.user - this.#lastUsage.system;
    const cpu = used / 1_000 / Math.max(1, now - this.#lastTold);
    this.#lastTold = now;
    this.#lastUsage = usage;
    const { rss, heapUsed } = process.memoryUsage();
    const eventLoopDelay = this.#delay.latest;
    this.#tell({ kind: 'condition', condition: { cpu, residentBytes: rss, heapUsedBytes: heapUsed, eventLoopDelay } });
  }

  #tell(message: Message): void {
    // Without a supervisor, the worker is about to end, and there is nobody left to be told.
    if (process.connected) process.send?.(enclose(message), undefined, undefined, () => {});
  }
}
