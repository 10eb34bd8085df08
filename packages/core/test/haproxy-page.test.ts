// The configurations of HAProxy in the guide, as they stand there but for addresses and paths.

import { Module } from '@reagent/core';
import { Ops, OpsServer } from '@reagent/ops';
import { type Certificates, certificates, createTestApp, TestClient } from '@reagent/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { Behind, behind, greeting } from './support/behind.js';
import { Haproxy, inherited, noHaproxy } from './support/haproxy.js';
import { adapted, Page } from './support/page.js';

let known: Certificates;

beforeAll(async () => {
  known = await certificates();
});

const [plain = '', encrypted = ''] = Page.read('load-balancers.md').blocks('haproxy');

@Module({ imports: [Ops.forRoot({ port: 0 })], reagents: [Behind] })
class Observed {}

describe.skipIf(noHaproxy !== '')(`HAProxy as in the guide${noHaproxy}`, () => {
  it('spreads clients over servers, which know their addresses', async () => {
    await using one = await createTestApp(Observed).start();
    await using two = await createTestApp(Behind).start();
    const { port } = one.resolve(OpsServer);
    const configuration = adapted(plain, {
      // More than the limit of file descriptors may allow here.
      'maxconn 20000': 'maxconn 200',
      ':7000\n': `${inherited()}\n`,
      '10.0.0.11:7000': `127.0.0.1:${one.listener(Behind).port}`,
      '10.0.0.12:7000': `127.0.0.1:${two.listener(Behind).port}`,
      'port 9464': `port ${port} inter 20ms fall 1 rise 1`,
      // Checks in such a hurry would be over before they are answered.
      'timeout server 10m': 'timeout server 10m\n    timeout check 5s',
    });
    await using haproxy = await Haproxy.start(configuration);
    await using first = await TestClient.connect({ port: haproxy.port });
    await using second = await TestClient.connect({ port: haproxy.port });
    for (const client of [first, second]) {
      const remote = { address: '127.0.0.1', port: client.localPort ?? 0 };
      expect(await client.line()).toBe(greeting(remote, { address: '127.0.0.1', port: haproxy.port }));
    }
    expect(one.listener(Behind).connections.size).toBe(1);
    expect(two.listener(Behind).connections.size).toBe(1);

    // Both have their checks answered by the one.
    await one.application.suspend();
    await haproxy.logged(/Server chat\/one is DOWN, .*503/);
    await one.application.resume();
    await haproxy.logged(/Server chat\/one is UP/);
    expect(one.listener(Behind).stats().connections.accepted).toBe(1);
  });

  it('tells about TLS that ends there', async () => {
    await using app = await behind().start();
    const [defaults = ''] = plain.split('frontend');
    const configuration = adapted(defaults + encrypted, {
      'maxconn 20000': 'maxconn 200',
      ':7443 ssl': `${inherited()} ssl`,
      '/etc/haproxy/': '',
      '10.0.0.11:7000': `127.0.0.1:${app.listener(Behind).port}`,
    });
    const { server, client: member, ca } = known;
    const files = { 'chat.pem': server.cert + server.key, 'clients.pem': ca.cert };
    await using haproxy = await Haproxy.start(configuration, { files });
    const secure = { ...member, ca: ca.cert, servername: 'localhost', alpn: ['chat'] };
    await using client = await TestClient.connect({ port: haproxy.port }, { secure });
    const remote = { address: '127.0.0.1', port: client.localPort ?? 0 };
    expect(await client.line()).toBe(greeting(remote, { address: '127.0.0.1', port: haproxy.port }));
    const [conn] = app.listener(Behind).connections;
    expect(conn?.proxy).toMatchObject({
      alpn: 'chat',
      authority: 'localhost',
      ssl: { clientTls: true, verified: true, commonName: 'client' },
    });
    expect(conn?.proxy?.uniqueId?.toString()).toMatch(`127.0.0.1:${client.localPort}_`);
  });
});
