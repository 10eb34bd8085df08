import { X509Certificate } from 'node:crypto';
import type { Connection } from '../connection/connection.js';
import type { Environment } from '../connection/environment.js';
import type { Timeouts } from '../descriptor/descriptor.js';
import { StateError } from '../errors.js';
import { CountWatch } from '../listener/count-watch.js';
import { Listener, type ListenerStatus, type WaitOptions } from '../listener/listener.js';
import { emptyStatistics, type ListenerStatistics } from '../telemetry/statistics.js';
import type { Endpoint } from '../transport/endpoint.js';
import type { ListenerFacts } from './messages.js';
import type { Supervisor } from './supervisor.js';

let lastId = 0;

/** A listener of all workers together, as their supervisor has it: what it is and does, but not its connections, which are the workers'. */
export class WorkersListener extends Listener {
  readonly id = ++lastId;
  readonly #supervisor: Supervisor;
  readonly #name: string;
  #facts: ListenerFacts;
  #cert: X509Certificate | undefined;

  constructor(supervisor: Supervisor, facts: ListenerFacts) {
    super();
    this.#supervisor = supervisor;
    this.#name = facts.name;
    this.#facts = facts;
  }

  /** What is known of it now; what was known last, once it has stopped. */
  get facts(): ListenerFacts {
    const facts = this.#supervisor.facts.find(({ name }) => name === this.#name);
    if (facts !== undefined) {
      if (facts.cert !== this.#facts.cert) this.#cert = undefined;
      this.#facts = facts;
    }
    return this.#facts;
  }

  get name(): string {
    return this.#name;
  }

  get endpoint(): Endpoint {
    return this.facts.endpoint;
  }

  get address(): string {
    return this.endpoint.address;
  }

  get port(): number {
    return this.endpoint.port;
  }

  get host(): string | undefined {
    return this.facts.host;
  }

  get secure(): boolean {
    return this.facts.secure;
  }

  get cert(): X509Certificate | undefined {
    const { cert } = this.facts;
    if (this.#cert === undefined && cert !== undefined) this.#cert = new X509Certificate(cert);
    return this.#cert;
  }

  get env(): Environment {
    return this.#perWorker('env');
  }

  get status(): ListenerStatus {
    return this.stats().status;
  }

  get connections(): ReadonlySet<Connection<unknown, unknown>> {
    return this.#perWorker('connections');
  }

  /** What the workers allow together. */
  get maxConnections(): number {
    return this.#supervisor.maxConnections(this.#name);
  }

  set maxConnections(_limit: number) {
    this.#perWorker('maxConnections');
  }

  get maxConnectionsPerIp(): number {
    return this.#perWorker('maxConnectionsPerIp');
  }

  set maxConnectionsPerIp(_limit: number) {
    this.#perWorker('maxConnectionsPerIp');
  }

  get timeouts(): Timeouts {
    return this.#perWorker('timeouts');
  }

  setTimeouts(): void {
    this.#perWorker('setTimeouts()');
  }

  stats(): ListenerStatistics {
    const known = this.#supervisor.statistics(this.#name);
    const { endpoint } = this.facts;
    // Workers that are just starting may say otherwise for a moment.
    return {
      ...(known ?? emptyStatistics(this.#name)),
      status: this.#status(known),
      address: endpoint.address,
      port: endpoint.port,
    };
  }

  #status(known: ListenerStatistics | undefined): ListenerStatus {
    if (!this.#supervisor.facts.some(({ name }) => name === this.#name)) return 'stopped';
    const { state } = this.#supervisor;
    if (state !== 'running') return state === 'starting' ? 'starting' : 'draining';
    return this.#supervisor.isSuspended(this.#name) ? 'suspended' : (known?.status ?? 'starting');
  }

  reloadCertificates(): Promise<void> {
    return this.#supervisor.reloadCertificates(this.#name);
  }

  suspend(): Promise<void> {
    return this.#supervisor.suspend([this.#name]);
  }

  resume(): Promise<void> {
    return this.#supervisor.resume([this.#name]);
  }

  async waitForConnections(
    predicate: (connections: number) => boolean,
    { timeout = Number.POSITIVE_INFINITY }: WaitOptions = {},
  ): Promise<void> {
    const watch = new CountWatch();
    const count = (): number => this.stats().connections.active;
    const release = this.#supervisor.onCounted(() => watch.tell(count()));
    try {
      await watch.wait(count(), predicate, timeout);
    } finally {
      release();
    }
  }

  resize(): void {
    this.#perWorker('resize()');
  }

  accept(): void {
    this.#perWorker('accept()');
  }

  broadcast(): void {
    this.#perWorker('broadcast()');
  }

  async stop(): Promise<void> {
    throw new StateError(
      `${this.#name} is a listener of every worker, which the next worker would start again: suspend() it, or stop the application`,
    );
  }

  #perWorker(what: string): never {
    throw new StateError(
      `${this.#name}.${what} is not to be had in the supervisor: connections live in the workers, each with its own; app.worker tells whether this process is one`,
    );
  }
}
