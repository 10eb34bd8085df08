import type { Application, Constructor, Listener, StopOptions, Token } from '@reagent/core';
import { type CapturedLogger, type LogEntry, troublesOf } from './captured-logger.js';
import { type ClientTransport, SocketTransport } from './client/client-transport.js';
import { TestClient, type TestClientOptions, type WithCodec } from './client/test-client.js';
import { MemoryTransport } from './memory/memory-transport.js';
import type { Placement, Transport } from './placement.js';

/** How long `stop` waits for connections to end by themselves: a test that leaves some open is not to wait long. */
const STOP_TIMEOUT_MS = 1_000;

/** A client's options that `TestApp` leaves to the test. */
export interface ConnectOptions<In = Buffer, Out = string | Uint8Array>
  extends Omit<TestClientOptions<In, Out>, 'serverErrors'> {
  /**
   * `'memory'` connects without the system, whatever the listener is bound to; `'tcp'` and `'unix'` say what it has to be bound to.
   * Default: what the test app was made with, or what the listener is bound to.
   */
  readonly transport?: Transport;
}

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
   * Connects to a listener, over a real socket or in memory, with TLS where the listener is secure. The client is closed when the app stops.
   *
   * @throws TestClientError when it cannot connect.
   */
  connect(nameOrClass: string | Constructor, options?: ConnectOptions): Promise<TestClient>;
  connect<In, Out>(
    nameOrClass: string | Constructor,
    options: Omit<WithCodec<In, Out>, 'serverErrors'> & Pick<ConnectOptions, 'transport'>,
  ): Promise<TestClient<In, Out>>;
  async connect(nameOrClass: string | Constructor, options: ConnectOptions = {}): Promise<TestClient> {
    const listener = this.listener(nameOrClass);
    const { transport, ...clientOptions }: ConnectOptions = {
      secure: listener.secure,
      ...this.#clientOptions,
      ...options,
    };
    const client = await TestClient.over(reach(listener, transport, clientOptions.localAddress), {
      ...clientOptions,
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

/** What carries a client's bytes to a listener. Throws if it cannot be reached that way. */
function reach(
  listener: Listener,
  transport: Transport | undefined,
  localAddress: string | undefined,
): ClientTransport {
  if (transport === 'memory') return new MemoryTransport(listener, localAddress);
  const { address, port, endpoint } = listener;
  const isUnix = endpoint.family === 'unix';
  if (transport !== undefined && isUnix !== (transport === 'unix')) {
    throw new Error(
      `TestApp: ${listener.name} is bound to ${isUnix ? 'a Unix socket' : 'a TCP port'}; for ${transport}, make the app with createTestApp(…, { transport: '${transport}' })`,
    );
  }
  return new SocketTransport(isUnix ? { path: address } : { host: address, port }, localAddress);
}
