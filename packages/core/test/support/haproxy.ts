// HAProxy itself in front of a listener.

import { type ChildProcessByStdio, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { needs } from './program.js';

const LIMIT_MS = 10_000;

/** What it says when its configuration is in effect. */
const LOADED = /Loading success/g;

/** How often a signal is sent until it has an effect. */
const SIGNAL_MS = 100;

/** What the name of a test says where HAProxy is missing; empty where it is not. */
export const noHaproxy: string = needs('haproxy');

export interface RelayOptions {
  /** The `server` line behind its name: where to pass connections on, and how, such as `127.0.0.1:8080 send-proxy-v2`. */
  readonly server: string;
  /** What follows the address of the `bind` line, such as `ssl crt server.pem`. */
  readonly bind?: string;
  /** Further lines of the frontend. */
  readonly frontend?: readonly string[];
  /** Further lines of the backend. */
  readonly backend?: readonly string[];
}

/** A configuration that passes all connections on to one server. */
export function relay({ server, bind = '', frontend = [], backend = [] }: RelayOptions): string {
  const lines = [
    'global',
    '  maxconn 4000',
    'defaults',
    '  mode tcp',
    '  timeout connect 5s',
    '  timeout client 60s',
    '  timeout server 60s',
    // For checks, which would have no longer than from one to the next otherwise.
    '  timeout check 5s',
    'frontend clients',
    `  bind ${inherited()} ${bind}`,
    ...frontend.map((line) => `  ${line}`),
    '  default_backend reagent',
    'backend reagent',
    ...backend.map((line) => `  ${line}`),
    `  server one ${server}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** How a `bind` line names a socket that the process has got: that of the host with this index. */
export function inherited(index = 0): string {
  return `fd@${3 + index}`;
}

export interface HaproxyOptions {
  /** The addresses at which clients are to find it, each on a free port. Default: 127.0.0.1. */
  readonly hosts?: readonly string[];
  /** Files that the configuration names, by name. They lie where it runs. */
  readonly files?: Readonly<Record<string, string>>;
}

/**
 * A running HAProxy, which `await using` ends.
 *
 * It gets its sockets bound, so no other can take its ports; what connects before it is ready waits in the kernel.
 */
export class Haproxy implements AsyncDisposable {
  /** One for each host. */
  readonly ports: readonly number[];
  /** Where it runs. */
  readonly directory: string;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #exit: Promise<unknown>;
  /** Nothing is to stay behind when a test is given up. */
  readonly #endWithTests = () => this.#child.kill('SIGTERM');
  #log = '';
  #heard = () => {};

  private constructor(child: ChildProcessByStdio<null, Readable, Readable>, ports: readonly number[], at: string) {
    this.#child = child;
    this.ports = ports;
    this.directory = at;
    this.#exit = once(child, 'exit');
    process.once('exit', this.#endWithTests);
    for (const output of [child.stdout, child.stderr]) {
      output.setEncoding('utf8').on('data', (text: string) => {
        this.#log += text;
        this.#heard();
      });
    }
  }

  /** Starts it and waits until it is ready. Fails with what it says of a configuration that is wrong. */
  static async start(
    configuration: string,
    { hosts = ['127.0.0.1'], files = {} }: HaproxyOptions = {},
  ): Promise<Haproxy> {
    const directory = await mkdtemp(join(tmpdir(), 'reagent-haproxy-'));
    for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
    await writeFile(join(directory, 'haproxy.cfg'), configuration);
    const sockets = await Promise.all(hosts.map(listening));
    const stdio: StdioOptions = ['ignore', 'pipe', 'pipe', ...sockets.map(descriptorOf)];
    // A master and a worker, which a reload replaces.
    const child = spawn('haproxy', ['-W', '-f', 'haproxy.cfg'], { cwd: directory, stdio });
    const ports = sockets.map((socket) => (socket.address() as AddressInfo).port);
    for (const socket of sockets) socket.close();
    const haproxy = new Haproxy(child as ChildProcessByStdio<null, Readable, Readable>, ports, directory);
    try {
      await haproxy.logged(LOADED);
    } catch (error) {
      await haproxy[Symbol.asyncDispose]();
      throw error;
    }
    return haproxy;
  }

  /** Of the first host. */
  get port(): number {
    return this.ports[0] as number;
  }

  /** All that it has written. */
  get log(): string {
    return this.#log;
  }

  /** Waits until its log has as many matches of the pattern. Fails when it ends first, and after a while. */
  async logged(pattern: RegExp, times = 1): Promise<void> {
    const matches = () => [...this.#log.matchAll(new RegExp(pattern, 'g'))].length >= times;
    const changed = () => new Promise<void>((resolve) => (this.#heard = resolve));
    const failure = Promise.race([this.#exit.then(() => 'it has ended'), late()]);
    while (!matches()) {
      const end = await Promise.race([changed(), failure]);
      if (end !== undefined && !matches()) throw new Error(`HAProxy did not say ${pattern}: ${end}\n${this.#log}`);
    }
  }

  /** A new worker takes over, with another configuration if one is given; the old one serves what it has. */
  async reload(configuration?: string): Promise<void> {
    if (configuration !== undefined) await writeFile(join(this.directory, 'haproxy.cfg'), configuration);
    const before = this.#log.match(LOADED)?.length ?? 0;
    await this.#signal('SIGUSR2', this.logged(/Reloading/, before));
    await this.logged(LOADED, before + 1);
  }

  /** Drops its connections, and ends. */
  async stop(): Promise<void> {
    await this.#signal('SIGTERM', this.#exit);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.stop();
    process.off('exit', this.#endWithTests);
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Sends a signal until it has had its effect: while a master starts, signals are lost. */
  async #signal(signal: NodeJS.Signals, effect: Promise<unknown>): Promise<void> {
    this.#child.kill(signal);
    const timer = setInterval(() => this.#child.kill(signal), SIGNAL_MS);
    await effect.finally(() => clearInterval(timer));
  }
}

async function listening(host: string): Promise<Server> {
  const socket = createServer();
  socket.listen(0, host);
  await once(socket, 'listening');
  return socket;
}

function descriptorOf(socket: Server): number {
  return (socket as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;
}

function late(): Promise<string> {
  return new Promise((resolve) => setTimeout(resolve, LIMIT_MS, `not within ${LIMIT_MS} ms`).unref());
}
