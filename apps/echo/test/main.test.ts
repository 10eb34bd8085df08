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

/** Starts the app, and gives what it says of its servers: the port and the command to try, by name. */
async function start(servers: number, ...args: string[]): Promise<Record<string, { port: number; command: string }>> {
  const child = spawn(process.execPath, [script, '--port', '0', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  server = child;
  let log = '';
  child.stderr.on('data', (text) => (log += String(text)));
  const found: Record<string, { port: number; command: string }> = {};
  for await (const line of createInterface(child.stdout)) {
    const [, name, port, command] = /^(\w+) listens on \S+:(\d+), try: (.*)$/.exec(line) ?? [];
    if (name === undefined || command === undefined) continue;
    found[name] = { port: Number(port), command };
    if (Object.keys(found).length === servers) return found;
  }
  throw new Error(`it ended before it listened:\n${log}`);
}

async function stopped(): Promise<unknown> {
  const exit = once(server as ChildProcess, 'exit');
  server?.kill('SIGTERM');
  return (await exit)[0];
}

test('--tls starts a server with TLS, says how to talk to it, and it answers', { timeout: 120_000 }, async () => {
  const servers = await start(4, '--tls', '--host', '127.0.0.1');
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
  const servers = await start(3, '--host', '127.0.0.1');
  for (const { port, command } of Object.values(servers)) {
    expect(command).toBe(`printf 'hello\\n' | nc -N 127.0.0.1 ${port}`);
  }
  expect(await stopped()).toBe(0);
});
