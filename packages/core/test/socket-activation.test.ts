// Listeners on a socket that another process has bound and keeps: servers come and go, and no client is refused.

import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type DescriptorInput, proxyHeader } from '@reagent/core';
import { type CertificateAndKey, certificates, TestClient, type TestClientOptions } from '@reagent/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { ActivatedSocket } from './support/activated-socket.js';
import { adapted, Page } from './support/page.js';
import { needs, Program } from './support/program.js';
import { build, ServerProcess } from './support/server-process.js';
import { TemporaryDirectory } from './support/temporary-directory.js';

let server: CertificateAndKey;
let ca: string;

beforeAll(async () => {
  const known = await certificates();
  server = known.server;
  ca = known.ca.cert;
  await build();
});

/** What the service manager passes on is always the first descriptor behind the standard ones. */
const fd = 3;

const header = (address: string) =>
  proxyHeader({ source: { address, port: 4711 }, destination: { address: '198.51.100.1', port: 443 } });

async function talks(socket: ActivatedSocket, options: TestClientOptions = {}): Promise<TestClient> {
  const client = await TestClient.connect(socket.target, { timeout: 10_000, ...options });
  await client.receive('hello\n');
  await client.send('hi');
  await client.receive('hi');
  return client;
}

const start = ({ fd: inherited }: ActivatedSocket, descriptor: DescriptorInput = {}, polite = true) =>
  ServerProcess.start({ descriptor: { fd, ...descriptor }, inherited, polite });

async function stop(process: ServerProcess): Promise<void> {
  process.kill('SIGTERM');
  expect(await process.exit()).toBe(0);
}

describe.each(['TCP', 'Unix'] as const)('an inherited %s socket', (transport) => {
  const listen = ({ path }: TemporaryDirectory) =>
    ActivatedSocket.listen(transport === 'TCP' ? undefined : `${path}/service.sock`);

  it('is served, those included who came before the server', async () => {
    await using directory = await TemporaryDirectory.make();
    await using socket = await listen(directory);
    const early = await TestClient.connect(socket.target, { timeout: 10_000 });
    await early.send('early');
    await using process = await start(socket);
    if ('port' in socket.target) expect(process.port).toBe(socket.target.port);
    await early.receive('hello\nearly');
    const client = await talks(socket);
    process.kill('SIGTERM');
    for (const each of [early, client]) {
      await each.receive('goodbye\n');
      expect(await each.closed()).toBe('end');
      each.destroy();
    }
    expect(await process.exit()).toBe(0);
  });

  it('serves TLS', async () => {
    await using directory = await TemporaryDirectory.make();
    await using socket = await listen(directory);
    await using process = await start(socket, { secure: server });
    await using client = await talks(socket, { secure: { ca, servername: 'localhost' } });
    expect(client.authorized).toBe(true);
    client.destroy();
    await stop(process);
  });

  it.each([false, true])('serves clients with a PROXY header, and TLS behind it: %j', async (isSecure) => {
    await using directory = await TemporaryDirectory.make();
    await using socket = await listen(directory);
    await using process = await start(socket, {
      secure: isSecure && server,
      proxyProtocol: true,
      maxConnectionsPerIp: 1,
    });
    const secure = isSecure && { ca, servername: 'localhost' };
    await using one = await talks(socket, { proxy: header('203.0.113.7'), secure });
    await using two = await talks(socket, { proxy: header('203.0.113.8'), secure });
    // The header is believed: this is the address of the first one again.
    await using three = await TestClient.connect(socket.target, { proxy: header('203.0.113.7') });
    await three.closed();
    expect(three.received.length).toBe(0);
    await two.send('stats');
    const [stats] = await two.receive(/^.*\}$/);
    expect(JSON.parse(stats).connections).toMatchObject({ active: 2, rejected: { maxConnectionsPerIp: 1 } });
    for (const client of [one, two, three]) client.destroy();
    await stop(process);
  });

  it('waits for the next server while there is none', async () => {
    await using directory = await TemporaryDirectory.make();
    await using socket = await listen(directory);
    await using first = await start(socket);
    (await talks(socket)).destroy();
    await stop(first);
    const waiting = await Promise.all(Array.from({ length: 10 }, () => TestClient.connect(socket.target)));
    for (const client of waiting) await client.send('waiting');
    await using second = await start(socket);
    for (const client of waiting) {
      await client.receive('hello\nwaiting', { timeout: 10_000 });
      client.destroy();
    }
    await stop(second);
  });

  it('outlives a server that is killed', async () => {
    await using directory = await TemporaryDirectory.make();
    await using socket = await listen(directory);
    await using first = await start(socket);
    const lost = await talks(socket);
    first.kill('SIGKILL');
    await lost.closed();
    lost.destroy();
    const waiting = await TestClient.connect(socket.target, { timeout: 10_000 });
    await using second = await start(socket);
    await waiting.receive('hello\n');
    waiting.destroy();
    await stop(second);
  });

  it.each(['after', 'before'])(
    'refuses nobody while servers are replaced, the old one ending %s the new one is there',
    async (order) => {
      await using directory = await TemporaryDirectory.make();
      await using socket = await listen(directory);
      let served = 0;
      let isOver = false;
      const clients = Array.from({ length: 4 }, async () => {
        while (!isOver) {
          const client = await TestClient.connect(socket.target, { timeout: 20_000 });
          await client.receive('hello\n');
          client.destroy();
          served += 1;
        }
      });
      let current = await start(socket);
      for (let replacement = 0; replacement < 2; replacement++) {
        const before = served;
        while (served < before + 10) await new Promise((resolve) => setImmediate(resolve));
        if (order === 'before') await stop(current);
        const next = await start(socket);
        if (order === 'after') await stop(current);
        current = next;
      }
      isOver = true;
      await Promise.all(clients);
      await stop(current);
    },
  );
});

it('a descriptor that is a connection, as of a service for each of them, is an error that says so', async () => {
  const manager = createServer().listen(0, '127.0.0.1');
  await once(manager, 'listening');
  const accepted = once(manager, 'connection') as Promise<[Socket]>;
  const { port } = manager.address() as AddressInfo;
  await using _ = await TestClient.connect({ port });
  const [connection] = await accepted;
  const inherited = (connection as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;
  await expect(ServerProcess.start({ descriptor: { fd }, inherited })).rejects.toThrow(
    /Server cannot listen on fd 3: .*check that fd is a listening socket/,
  );
  connection.destroy();
  manager.close();
});

const noActivator = needs('systemd-socket-activate');

describe.skipIf(noActivator !== '')(`systemd-socket-activate${noActivator}`, () => {
  const script = new URL('./support/server-process.mjs', import.meta.url).pathname;

  it.each([false, true])('starts the server for its first client, on a Unix socket, TLS: %j', async (isSecure) => {
    await using directory = await TemporaryDirectory.make();
    const path = directory.at('service.sock');
    const descriptor = { fd, secure: isSecure && server };
    await using activator = Program.start('systemd-socket-activate', [
      '--listen',
      path,
      process.execPath,
      script,
      JSON.stringify({ descriptor }),
    ]);
    await activator.complained(/Listening on/);
    const secure = isSecure && { ca, servername: 'localhost' };
    const client = await TestClient.connect({ path }, { timeout: 20_000, secure });
    await client.receive('hello\n');
    // It has become the server, and ends as one.
    await client.send('stop');
    client.destroy();
    expect(await activator.exit()).toBe(0);
  });
});

const noAnalyzer = needs('systemd-analyze');

it.skipIf(noAnalyzer !== '')(`the units in the guide have no mistake that systemd knows of${noAnalyzer}`, async () => {
  const [socket = '', service = ''] = Page.read('load-balancers.md').blocks('ini');
  await using directory = await TemporaryDirectory.make();
  const units = [directory.at('chat.socket'), directory.at('chat.service')];
  await writeFile(directory.at('chat.socket'), socket);
  await writeFile(directory.at('chat.service'), adapted(service, { '/usr/bin/node': process.execPath }));
  const analyzer = await Program.run('systemd-analyze', ['verify', ...units]);
  expect(analyzer.errors).toBe('');
  expect(await analyzer.exit()).toBe(0);
});
