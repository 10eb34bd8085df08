/**
 * Where operations are served, and the token under which an application has it.
 *
 * In a worker process nothing is served, and asking where throws a StateError: the supervisor serves for all.
 */
export abstract class OpsServer {
  /** Where the page is, such as `'http://127.0.0.1:9464/'`; `metrics`, `healthz`, `readyz` and `stats.json` are beside it. */
  abstract readonly url: string;
  /** The port it is bound to, also when the options asked for 0. */
  abstract readonly port: number;
  /** Closes it. The application does so when all of its listeners have stopped. */
  abstract dispose(): Promise<void>;
}
