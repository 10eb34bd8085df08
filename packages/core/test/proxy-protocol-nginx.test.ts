// nginx itself in front of a listener, with the configuration that stands in the guide.

import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { TestClient } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { Behind, behind, greeting, nothingIsLeft } from './support/behind.js';
import { adapted, Page } from './support/page.js';
import { needs, Program } from './support/program.js';
import { TemporaryDirectory } from './support/temporary-directory.js';

/** Where Debian puts it. */
const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

const noNginx = needs('nginx') || (existsSync(STREAM_MODULE) ? '' : ' (skipped: no stream module of nginx here)');

const [fromPage = ''] = Page.read('load-balancers.md').blocks('nginx');

interface Nginx extends AsyncDisposable {
  readonly port: number;
}

async function start(serverPort: number, changes: Record<string, string> = {}): Promise<Nginx> {
  const directory = await TemporaryDirectory.make();
  const port = await freePort();
  const stream = adapted(fromPage, {
    'listen 7000': `listen 127.0.0.1:${port}`,
    'server 10.0.0.11:7000': `server 127.0.0.1:${serverPort}`,
    'server 10.0.0.12:7000;': '',
    ...changes,
  });
  const main = `load_module ${STREAM_MODULE};\ndaemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr notice;\nevents {}\n`;
  await writeFile(directory.at('nginx.conf'), main + stream);
  const program = Program.start('nginx', ['-p', `${directory.path}/`, '-c', 'nginx.conf']);
  // It says that when its ports are bound.
  await program.complained(/using the "\w+" event method/);
  return {
    port,
    async [Symbol.asyncDispose]() {
      await program.kill();
      await directory[Symbol.asyncDispose]();
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe.skipIf(noNginx !== '')(`nginx as in the guide${noNginx}`, () => {
  it('tells the address of a client, before the client has said anything', async () => {
    await using app = await behind().start();
    await using nginx = await start(app.listener(Behind).port);
    await using client = await TestClient.connect({ port: nginx.port }, { localAddress: '127.0.0.2' });
    const remote = { address: '127.0.0.2', port: client.localPort ?? 0 };
    expect(await client.line()).toBe(greeting(remote, { address: '127.0.0.1', port: nginx.port }));
    const { proxy } = await app.resolve(Behind).opened.take();
    expect(proxy).toMatchObject({ version: 1, command: 'proxy', transport: 'tcp' });
    await client.send('one\n');
    expect(await client.line()).toBe('one');
  });

  it('passes a half-close on, and the answer to it', async () => {
    await using app = await behind().start();
    await using nginx = await start(app.listener(Behind).port);
    await using client = await TestClient.connect({ port: nginx.port });
    await client.send('one\n');
    await client.end();
    await client.line();
    expect(await client.line()).toBe('one');
    expect(await client.closed()).toBe('end');
    await nothingIsLeft(app);
  });

  it('counts the real source', async () => {
    await using app = await behind({ maxConnectionsPerIp: 1 }).start();
    await using nginx = await start(app.listener(Behind).port);
    await using first = await TestClient.connect({ port: nginx.port }, { localAddress: '127.0.0.2' });
    await first.line();
    await using second = await TestClient.connect({ port: nginx.port }, { localAddress: '127.0.0.2' });
    await expect(second.line()).rejects.toThrow();
    await using other = await TestClient.connect({ port: nginx.port }, { localAddress: '127.0.0.3' });
    await other.line();
  });
});
