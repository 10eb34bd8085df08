// What a supervisor and its workers tell each other, over the channel that node:cluster gives them. Users may have messages of their own
// on it: these are the ones in an envelope.

import type { ListenerStatistics } from '../telemetry/statistics.js';
import type { BindTarget } from '../transport/bind.js';
import type { Endpoint } from '../transport/endpoint.js';
import type { ErrorReport } from './error-report.js';

/** Changes when the messages do: after a deployment, new workers may meet an old supervisor. */
export const PROTOCOL = 1;

/** What a worker tells of a listener, besides its figures. */
export interface ListenerFacts {
  readonly name: string;
  /** The index of its class among the reagents that the modules list; -1 for one that was started otherwise. */
  readonly reagent: number;
  readonly endpoint: Endpoint;
  readonly host: string | undefined;
  readonly secure: boolean;
  /** PEM. */
  readonly cert: string | undefined;
  /** `null`: no limit, which JSON has no number for. */
  readonly maxConnections: number | null;
}

/** What a supervisor can have a worker do with some of its listeners. */
export type Task = 'suspend' | 'resume' | 'reloadCertificates';

/** From a supervisor to a worker. */
export type Order =
  /** The answer to `hello`. */
  | {
      readonly kind: 'welcome';
      /** How often to give a sign of life, in milliseconds. */
      readonly beat: number;
      /** Base64; what workers derive the keys of session tickets from. */
      readonly ticketSecret: string;
    }
  /** The answer to `bind`; the socket comes along. */
  | { readonly kind: 'bound'; readonly ask: number; readonly socket: number; readonly slot: number }
  /** The listener is suspended: it will be bound when it resumes. */
  | { readonly kind: 'unbound'; readonly ask: number }
  | { readonly kind: 'refused'; readonly ask: number; readonly error: ErrorReport }
  /** Accept from another worker's slot too, which comes along, while that has no worker. */
  | { readonly kind: 'take'; readonly socket: number; readonly slot: number }
  /** Accept no longer from that slot. */
  | { readonly kind: 'release'; readonly socket: number; readonly slot: number }
  | { readonly kind: 'do'; readonly task: Task; readonly call: number; readonly listeners: readonly string[] }
  | {
      readonly kind: 'stop';
      /** Milliseconds that connections have; `null` for no limit. */
      readonly timeout: number | null | undefined;
    }
  /** Another worker is there: accept no more, finish what has begun with those who came already, and stop then. */
  | { readonly kind: 'retire' };

/** From a worker to its supervisor. */
export type Report =
  | { readonly kind: 'hello'; readonly protocol: number }
  | { readonly kind: 'bind'; readonly ask: number; readonly listener: string; readonly target: BindTarget }
  /** It listens no longer on a socket, whatever slots of it it had. */
  | { readonly kind: 'released'; readonly socket: number }
  /** The application could not be started here; the process ends. */
  | { readonly kind: 'failed'; readonly error: ErrorReport }
  /** The application is up. */
  | { readonly kind: 'ready' }
  /** The sign of life. Facts and figures come along where they have changed. */
  | {
      readonly kind: 'beat';
      /** Whether its inspector is open: whoever looks at it may have stopped it. */
      readonly inspected: boolean;
      readonly facts?: readonly ListenerFacts[];
      readonly figures?: readonly ListenerStatistics[];
    }
  /** The answer to `do`. */
  | { readonly kind: 'done'; readonly call: number; readonly error?: ErrorReport }
  /** The application has begun to stop, whoever has asked for it. */
  | {
      readonly kind: 'draining';
      /** Milliseconds that its connections have, unless it was ordered otherwise; `null` for no limit. */
      readonly shutdown: number | null;
    }
  /** The application has stopped, and the process is about to end. */
  | { readonly kind: 'stopped'; readonly errors: readonly ErrorReport[] };

/** Puts a message into its envelope. */
export function enclose(message: Order | Report): object {
  return { reagent: message };
}

/** The message in an envelope; `undefined` if something else has come. */
export function open<Message extends Order | Report>(received: unknown): Message | undefined {
  if (typeof received !== 'object' || received === null || !('reagent' in received)) return undefined;
  return received.reagent as Message;
}
