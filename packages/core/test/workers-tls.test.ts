// TLS in applications with workers.

import { certificates, type TestClientTls } from '@reagent/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WorkersProcess } from './support/workers-process.js';
import { bundle } from './support/workers-program.js';

beforeAll(bundle);

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a session over %s that one worker has begun', (maxVersion) => {
  let server: WorkersProcess;
  let secure: TestClientTls;

  beforeAll(async () => {
    const { server: identity, ca } = await certificates();
    server = await WorkersProcess.start({
      secure: { cert: String(identity.cert), key: String(identity.key) },
      listeners: [{ port: 0, host: '127.0.0.1', timeouts: { shutdown: 1 }, secure: true }],
    });
    secure = { ca: ca.cert, maxVersion };
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it('is resumed by another one', async () => {
    const { client, pid } = await server.connect({ secure });
    expect(client.sessionReused).toBe(false);
    const session = await client.nextSession();
    const hosts = new Set<number>();
    // Both of them: the one that has begun it as well.
    while (!hosts.has(pid) || hosts.size < 2) {
      const busy = hosts.has(pid) ? [client] : [];
      const again = await server.connectPast(busy, { secure: { ...secure, session } });
      expect(again.client.sessionReused).toBe(true);
      hosts.add(again.pid);
      again.client.destroy();
    }
    client.destroy();
  });

  it('is resumed by those that replace them in a reload', async () => {
    const { client } = await server.connect({ secure });
    const session = await client.nextSession();
    client.destroy();
    const before = await server.pids();
    await server.ask('reload');
    const again = await server.connect({ secure: { ...secure, session } });
    expect(before).not.toContain(again.pid);
    expect(again.client.sessionReused).toBe(true);
    again.client.destroy();
  });
});
