// The app as `pnpm start` runs it.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { TestClient } from '@reagent/testing';
import { afterEach, expect, test } from 'vitest';

const script = fileURLToPath(new URL('../../../scripts/start.mjs', import.meta.url));

let server: ChildProcess | undefined;

afterEach(() => {
  server?.kill('SIGKILL');
});

interface Told {
  readonly servers: Record<string, { port: number; command: string }>;
  /** Where its operations are. */
  readonly page: string | undefined;
}

/** Starts the app, and gives what it says of its servers: the port and the command to try, by name. */
async function start(count: number, ...args: string[]): Promise<Told> {
  const child = spawn(process.execPath, [script, '--port', '0', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  server = child;
  let log = '';
  child.stderr.on('data', (text) => (log += String(text)));
  const servers: Told['servers'] = {};
  for await (const line of createInterface(child.stdout)) {
    const page = /^Look at (.*)$/.exec(line)?.[1];
    if (page !== undefined) return { servers, page };
    const [, name, port, command] = /^(\w+) listens on \S+:(\d+), try: (.*)$/.exec(line) ?? [];
    if (name === undefined || command === undefined) continue;
    servers[name] = { port: Number(port), command };
    if (Object.keys(servers).length === count && !args.includes('--ops')) return { servers, page };
  }
  throw new Error(`it ended before it listened:\n${log}`);
}

async function stopped(): Promise<unknown> {
  const exit = once(server as ChildProcess, 'exit');
  server?.kill('SIGTERM');
  return (await exit)[0];
}

test('--tls starts a server with TLS, says how to talk to it, and it answers', { timeout: 120_000 }, async () => {
  const { servers } = await start(4, '--tls', '--host', '127.0.0.1');
  expect(Object.keys(servers)).toEqual(['PushEcho', 'PullEcho', 'SessionEcho', 'TlsEcho']);
  const { port = 0, command } = servers.TlsEcho ?? {};
  expect(command).toBe(`openssl s_client -quiet -connect 127.0.0.1:${port}`);

  await using client = await TestClient.connect({ port }, { secure: true });
  await client.send('hello\n');
  expect(await client.line()).toBe('hello');
  expect(client.peerCertificate?.subject).toBe('CN=localhost');

  expect(await stopped()).toBe(0);
});

test('without --tls there are three servers, none of them encrypted', { timeout: 120_000 }, async () => {
  const { servers } = await start(3, '--host', '127.0.0.1');
  for (const { port, command } of Object.values(servers)) {
    expect(command).toBe(`printf 'hello\\n' | nc -N 127.0.0.1 ${port}`);
  }
  expect(await stopped()).toBe(0);
});

test('--ops serves a page that says how the servers do, also with workers', { timeout: 120_000 }, async () => {
  const { servers, page } = await start(3, '--host', '127.0.0.1', '--ops', '0', '--workers', '1');
  expect(Object.keys(servers)).toHaveLength(3);
  const response = await fetch(`${page}readyz`);
  expect(await response.text()).toBe('ready\n');
  expect(await stopped()).toBe(0);
});
