import type { Application, Constructor, Listener, StopOptions, Token } from '@reagent/core';
import { type CapturedLogger, type LogEntry, troublesOf } from './captured-logger.js';
import { TestClient, type TestClientOptions, type WithCodec } from './client/test-client.js';
import type { Placement } from './placement.js';

/** How long `stop` waits for connections to end by themselves: a test that leaves some open is not to wait long. */
const STOP_TIMEOUT_MS = 1_000;

/** A client's options that `TestApp` leaves to the test. */
export type ConnectOptions<In = Buffer, Out = string | Uint8Array> = Omit<TestClientOptions<In, Out>, 'serverErrors'>;

/** A running application under test. */
export class TestApp {
  readonly application: Application;
  readonly #logger: CapturedLogger;
  readonly #placement: Placement;
  readonly #clientOptions: ConnectOptions;
  readonly #clients: { destroy(): void }[] = [];

  /** Made by `createTestApp(...).start()`. */
  constructor(application: Application, logger: CapturedLogger, placement: Placement, clientOptions: ConnectOptions) {
    this.application = application;
    this.#logger = logger;
    this.#placement = placement;
    this.#clientOptions = clientOptions;
  }

  /** All that the application has logged so far, of every level. */
  get logs(): readonly LogEntry[] {
    return this.#logger.entries;
  }

  /** @throws when the application has no such listener. */
  listener(nameOrClass: string | Constructor): Listener {
    return this.application.listener(nameOrClass);
  }

  resolve<T>(token: Token<T>): T {
    return this.application.resolve(token);
  }

  /**
   * Connects to a listener over a real socket, with TLS where the listener is secure. The client is closed when the app stops.
   *
   * @throws TestClientError when it cannot connect.
   */
  connect(nameOrClass: string | Constructor, options?: ConnectOptions): Promise<TestClient>;
  connect<In, Out>(
    nameOrClass: string | Constructor,
    options: Omit<WithCodec<In, Out>, 'serverErrors'>,
  ): Promise<TestClient<In, Out>>;
  async connect(nameOrClass: string | Constructor, options: ConnectOptions = {}): Promise<TestClient> {
    const { address, port, endpoint, secure } = this.listener(nameOrClass);
    const target = endpoint.family === 'unix' ? { path: address } : { host: address, port };
    const client = await TestClient.connect(target, {
      ...this.#clientOptions,
      secure,
      ...options,
      serverErrors: () => troublesOf(this.logs),
    });
    this.#clients.push(client);
    return client;
  }

  /**
   * Closes the clients and stops the application. To see how it stops while clients are connected, call
   * `application.stop()` first.
   */
  async stop({ timeout = STOP_TIMEOUT_MS }: StopOptions = {}): Promise<void> {
    for (const client of this.#clients.splice(0)) client.destroy();
    try {
      await this.application.stop({ timeout });
    } finally {
      await this.#placement.remove();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
