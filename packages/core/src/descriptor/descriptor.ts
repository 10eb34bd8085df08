// What a listener is told: the input a user writes, and the descriptor that is made of it.

import type { Codec } from '../codec/codec.js';
import type { SocketOptions } from '../connection/connection.js';
import type { TlsOptions } from '../transport/tls/tls-options.js';

/** How fast one address may open connections. */
export interface AcceptRate {
  /** Connections that one address may open per interval; an integer of 1 or more. */
  readonly perIp: number;
  /** The interval, in milliseconds. */
  readonly interval: number;
  /** Connections that may come at once after a quiet time. Default: `perIp`. */
  readonly burst?: number | undefined;
}

/** The header of the PROXY protocol, as a listener expects it. */
export interface ProxyProtocol {
  /** The versions that are understood: 1 is text, 2 is binary. Default: both. */
  readonly versions: readonly (1 | 2)[];
  /**
   * Who may connect, as addresses and networks in CIDR notation: whoever else does is refused, since anyone could claim to be anyone.
   * Who connects by a Unix socket is trusted always. Default: loopback, link-local and private networks (RFC 1918, RFC 4193).
   */
  readonly trust: readonly string[];
}

/** A threshold that is announced by telemetry when the number of connections reaches it. */
export interface Alarm {
  /** The number of connections. */
  readonly connections: number;
  /** Milliseconds before the same threshold is announced again. */
  readonly cooldown: number;
}

/** Whether one instance of a reagent serves all connections, or each connection gets its own. */
export type Scope = 'singleton' | 'connection';

/** What a listener is told about the PROXY protocol; what is left out gets its default. */
export type ProxyProtocolOptions = Partially<ProxyProtocol>;

/** Makes every field optional that may be left out, also as an explicit `undefined`. */
type Partially<T> = { readonly [Key in keyof T]?: T[Key] | undefined };

/** Options of a listener's sockets, all present. */
export interface ListenerSocketOptions extends Required<SocketOptions> {
  /** Lets several processes bind the same port, where the system can (SO_REUSEPORT). Default: `false`. */
  readonly reusePort: boolean;
  /** Leaves IPv4 alone when bound to an IPv6 address. Default: `false`. */
  readonly ipv6Only: boolean;
}

/** Time limits in milliseconds, all present; `Infinity` is off. */
export interface Timeouts {
  /** For the whole PROXY header to arrive. Default: 5 000. */
  readonly proxyHeader: number;
  /** For `@OnAccept`, and for each `recv()` in a push-style `@OnConnection` that is given no limit of its own. Default: 5 000. */
  readonly handshake: number;
  /** Nothing was received for so long. Default: off. */
  readonly idle: number;
  /** A client waited so long for a place among `maxConnections`. Default: off. */
  readonly wait: number;
  /** The client took nothing for so long while bytes wait to be sent. Default: 30 000. */
  readonly send: number;
  /** For connections to end by themselves when the listener stops. Default: 15 000. */
  readonly shutdown: number;
}

/** Time limits, in whole milliseconds of 1 or more; `false` or `Infinity` turns one off. What is left out gets its default, or stays. */
export type TimeoutOptions = { readonly [Key in keyof Timeouts]?: number | false | undefined };

/**
 * What a listener is told. Of `port`, `path` and `fd` exactly one is required; what else is left out gets its default.
 *
 * Every field may be left out in one place and come from another: the decorator, `start`, or `bootstrap`'s `overrides`.
 */
// biome-ignore lint/suspicious/noExplicitAny: the message types are known to the handlers only
export interface DescriptorInput<C extends Codec<any, any> = Codec<any, any>> {
  /** The listener's name, unique in the application. Default: the class's name. */
  readonly name?: string | undefined;
  /** A TCP port, 0–65535; 0 lets the system pick one. */
  readonly port?: number | undefined;
  /** The path of a Unix socket. A stale socket file is replaced; a live one is an error. */
  readonly path?: string | undefined;
  /** An inherited descriptor that is bound already, as socket activation passes it. */
  readonly fd?: number | undefined;
  /** The address or host name to bind. Default: all interfaces. Only with `port`. */
  readonly host?: string | undefined;
  /** Permissions of the Unix socket, such as `0o660`. Default: as the umask leaves them. Only with `path`. */
  readonly mode?: number | undefined;
  /**
   * TLS: its options, or `true` for those of the application, which `bootstrap(AppModule, { secure })` is given. Default: `false`.
   *
   * Options from two places are not merged: those of `start` or `overrides` replace those of the decorator.
   */
  readonly secure?: boolean | TlsOptions | undefined;
  /** Default: `'singleton'`. */
  readonly scope?: Scope | undefined;
  /** Connections that may be set up at the same time; an integer of 1 or more. Default: 100. */
  readonly acceptors?: number | undefined;
  /** Connections that may be open at the same time: a hard limit, 1 or more. Default: `Infinity`. */
  readonly maxConnections?: number | undefined;
  /** The same for each remote address. Default: `Infinity`. */
  readonly maxConnectionsPerIp?: number | undefined;
  /** Limits how fast each address may connect. Default: off (`false`). */
  readonly acceptRate?: AcceptRate | false | undefined;
  /** Clients that may wait for a place among `maxConnections`; an integer of 0 or more. Default: 1024. */
  readonly maxWaiting?: number | undefined;
  /** Connections the kernel may hold before they are accepted; 1 or more. Default: 1024. */
  readonly backlog?: number | undefined;
  /** Options of the sockets. */
  readonly options?: Partially<ListenerSocketOptions> | undefined;
  /** Turns bytes into messages and back. Default: `bytes()`. */
  readonly codec?: C | undefined;
  /** What `listener.env` starts with. Default: `{}`. */
  readonly env?: Readonly<Record<string | symbol, unknown>> | undefined;
  /** Time limits, in whole milliseconds of 1 or more; `false` or `Infinity` turns one off. */
  readonly timeouts?: TimeoutOptions | undefined;
  /**
   * Requires the header of the PROXY protocol, with which a load balancer tells for whom it has connected. `true` takes versions 1 and
   * 2 from loopback, link-local and private networks. Default: `false`.
   */
  readonly proxyProtocol?: boolean | ProxyProtocolOptions | undefined;
  /** Default: none. */
  readonly alarms?: readonly Alarm[] | undefined;
  /**
   * Records a CPU profile of the process from when the listener is bound until it has stopped, for an hour at most, and writes it then:
   * `true` to the working directory, or the path of a directory, or of a file that ends with `.cpuprofile`. Listeners with the same path
   * have one profile in common. Default: off (`false`).
   */
  readonly profile?: boolean | string | undefined;
}

/** A checked descriptor: every field present, defaults filled in. */
export interface Descriptor {
  readonly name: string;
  readonly port: number | undefined;
  readonly path: string | undefined;
  readonly fd: number | undefined;
  readonly host: string | undefined;
  readonly mode: number | undefined;
  readonly secure: boolean | TlsOptions;
  readonly scope: Scope;
  readonly acceptors: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerIp: number;
  readonly acceptRate: Required<AcceptRate> | undefined;
  readonly maxWaiting: number;
  readonly backlog: number;
  readonly options: ListenerSocketOptions;
  /** `undefined` where none was given: the listener then uses `bytes()`. */
  // biome-ignore lint/suspicious/noExplicitAny: the message type is known to the handlers only
  readonly codec: Codec<any, any> | undefined;
  readonly env: Readonly<Record<string | symbol, unknown>>;
  readonly timeouts: Timeouts;
  readonly proxyProtocol: false | ProxyProtocol;
  readonly alarms: readonly Alarm[];
  readonly profile: boolean | string;
}
