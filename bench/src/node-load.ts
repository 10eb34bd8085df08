// The load where load.c cannot be compiled: the same arguments, the same lines, more CPU a message.

import { once } from 'node:events';
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';
import { createInterface } from 'node:readline';
import { connect as connectTls } from 'node:tls';
import { quantile } from './statistics.js';

const CONNECTING_AT_A_TIME = 100;

const [port, mode, security, connections, active, depth, touch, request = '', response = ''] = process.argv.slice(2);
const isVisiting = mode === 'visit';
const wave = Buffer.from(request.repeat(Number(depth)), 'hex');
const expected = (response.length / 2) * Number(depth);

const clients: Client[] = [];
const idle: Client[] = [];
let busy = 0;
let isRunning = false;
let messages = 0;
let latencies: number[] = [];
let whenQuiet: () => void = () => undefined;

/** One connection of the load, or, when visiting, a place for one after the other. */
class Client {
  #socket: Socket | undefined;
  #received = 0;
  #started = 0;
  #session: Buffer | undefined;

  async open(): Promise<void> {
    this.#started = performance.now();
    const options = { port: Number(port), host: '127.0.0.1', noDelay: true, allowHalfOpen: true };
    const socket = security === 'plain' ? connect(options) : this.#openTls(options);
    this.#socket = socket;
    socket.on('data', (data) => this.#receive(data.length));
    socket.on('end', () => this.#ended());
    await once(socket, security === 'plain' ? 'connect' : 'secureConnect');
  }

  #openTls(options: TcpNetConnectOpts): Socket {
    const session = this.#session;
    const socket = connectTls({
      ...options,
      minVersion: 'TLSv1.3',
      rejectUnauthorized: false,
      ...(session === undefined ? {} : { session }),
    });
    if (security === 'resumed') {
      socket.once('session', (made) => {
        this.#session ??= made;
      });
      socket.once('secureConnect', () => {
        if (session !== undefined && !socket.isSessionReused()) throw new Error('the server did not resume a session');
      });
    }
    return socket;
  }

  send(): void {
    if (!isVisiting) this.#started = performance.now();
    this.#received = 0;
    this.#socket?.write(wave);
  }

  async visit(): Promise<void> {
    await this.open();
    this.send();
  }

  #receive(bytes: number): void {
    this.#received += bytes;
    if (this.#received > expected) throw new Error('more came than was asked for');
    if (this.#received < expected) return;
    if (isVisiting) {
      this.#socket?.end();
      return;
    }
    idle.push(this);
    this.#finished(Number(depth));
  }

  #ended(): void {
    if (!isVisiting || this.#received !== expected) throw new Error('the server has closed a connection');
    idle.push(this);
    this.#finished(1);
  }

  #finished(count: number): void {
    messages += count;
    latencies.push((performance.now() - this.#started) * 1_000);
    busy--;
    if (isRunning) next();
    else if (busy === 0) whenQuiet();
  }
}

function next(): void {
  const client = idle.shift();
  if (client === undefined) return;
  busy++;
  if (isVisiting) void client.visit();
  else client.send();
}

async function quiet(): Promise<void> {
  if (busy > 0) {
    await new Promise<void>((resolve) => {
      whenQuiet = resolve;
    });
  }
}

async function run(seconds: number): Promise<void> {
  messages = 0;
  latencies = [];
  isRunning = true;
  const started = performance.now();
  const before = process.cpuUsage();
  for (let i = 0; i < Number(active); i++) next();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  isRunning = false;
  await quiet();
  const { user, system } = process.cpuUsage(before);
  const result = {
    messages,
    seconds: (performance.now() - started) / 1_000,
    cpu: (user + system) / 1e6,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

for (let i = 0; i < Number(isVisiting ? active : connections); i++) clients.push(new Client());
if (!isVisiting) {
  for (let i = 0; i < clients.length; i += CONNECTING_AT_A_TIME) {
    await Promise.all(clients.slice(i, i + CONNECTING_AT_A_TIME).map((client) => client.open()));
  }
}
idle.push(...clients);
if (!isVisiting && touch === '1') {
  for (let i = 0; i < clients.length; i++) next();
  await quiet();
}
process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) await run(Number(line));
process.exit();
