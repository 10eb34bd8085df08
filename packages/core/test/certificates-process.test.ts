// SIGHUP to a process whose certificates were replaced.

import { writeFile } from 'node:fs/promises';
import { type CertificateFiles, certificates, TestClient } from '@reagent/testing';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { build, ServerProcess } from './support/server-process.js';
import { until } from './support/until.js';

beforeAll(build);

const pki = await certificates();
const second = await pki.for(['localhost', '127.0.0.1'], { commonName: 'second' });

/** Milliseconds that a client may wait while others load the machine. */
const PATIENCE_MS = 20_000;

let files: CertificateFiles;

beforeEach(async () => {
  files = await pki.files();
});

afterEach(() => files[Symbol.asyncDispose]());

function starting(): Promise<ServerProcess> {
  return ServerProcess.start({ descriptor: { port: 0, secure: { ...files.server } } });
}

async function connect(server: ServerProcess): Promise<TestClient> {
  const client = await TestClient.connect({ port: server.port }, { secure: { ca: pki.ca.cert }, timeout: PATIENCE_MS });
  await client.receive('hello\n');
  return client;
}

async function shown(server: ServerProcess): Promise<string | undefined> {
  await using client = await connect(server);
  return client.peerCertificate?.subject;
}

it('SIGHUP has it use the new ones, and under load no connection fails', async () => {
  await using server = await starting();
  const staying = await connect(server);
  const visits: Record<string, number> = {};
  let isOver = false;
  const visitors = Array.from({ length: 5 }, async () => {
    while (!isOver) {
      const name = (await shown(server)) ?? 'none';
      visits[name] = (visits[name] ?? 0) + 1;
    }
  });
  for (const visitor of visitors) visitor.catch(() => {}); // Below they are awaited.
  await until(() => (visits['CN=localhost'] ?? 0) > 20, PATIENCE_MS);
  await files.write('server', second);
  server.kill('SIGHUP');
  await server.logged(/certificates reloaded/);
  await until(() => (visits['CN=second'] ?? 0) > 20, PATIENCE_MS);
  isOver = true;
  await Promise.all(visitors);
  expect(Object.keys(visits).sort()).toEqual(['CN=localhost', 'CN=second']);
  expect(await shown(server)).toBe('CN=second');
  await staying.send('still here');
  await staying.receive('still here');
  staying.destroy();
  server.kill('SIGTERM');
  expect(await server.exit()).toBe(0);
});

it('SIGHUP with a file that is half-written changes nothing, and the log says so', async () => {
  await using server = await starting();
  const staying = await connect(server);
  await writeFile(files.server.cert, second.cert.slice(0, 200));
  server.kill('SIGHUP');
  await server.logged(/not all could be reloaded/);
  expect(server.log).toMatch(/Server, secure\.cert: .*server\.pem/);
  expect(await shown(server)).toBe('CN=localhost');
  await staying.send('still here');
  await staying.receive('still here');
  await files.write('server', second);
  server.kill('SIGHUP');
  await server.logged(/certificates reloaded/);
  expect(await shown(server)).toBe('CN=second');
  staying.destroy();
});
