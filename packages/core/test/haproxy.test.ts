// What a listener learns of its clients through HAProxy, and of HAProxy itself.

import { join } from 'node:path';
import { proxyTlvTypes } from '@reagent/core';
import { TestClient } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { Behind, behind, greeting, nothingIsLeft, rejected } from './support/behind.js';
import { Haproxy, noHaproxy, relay } from './support/haproxy.js';
import { TemporaryDirectory } from './support/temporary-directory.js';

describe.skipIf(noHaproxy !== '')(`through HAProxy${noHaproxy}`, () => {
  describe.each([
    ['send-proxy', 1],
    ['send-proxy-v2', 2],
  ] as const)('%s', (sending, version) => {
    it.each([
      ['IPv4', '127.0.0.1', '127.0.0.2'],
      ['IPv6', '::1', '::1'],
    ] as const)('tells the ends of a client that comes over %s', async (family, host, localAddress) => {
      await using app = await behind().start();
      await using haproxy = await Haproxy.start(
        relay({ server: `127.0.0.1:${app.listener(Behind).port} ${sending}` }),
        { hosts: [host] },
      );
      await using client = await TestClient.connect({ host, port: haproxy.port }, { localAddress });
      const remote = { address: localAddress, port: client.localPort ?? 0, family };
      const local = { address: host, port: haproxy.port, family };
      expect(await client.line()).toBe(greeting(remote, local));
      const { accepted, opened } = app.resolve(Behind);
      expect(await accepted.take()).toMatchObject({ remote, local });
      const conn = await opened.take();
      expect(conn).toMatchObject({ remote, local, secure: false });
      expect(conn.proxy).toMatchObject({ version, command: 'proxy', transport: 'tcp', source: remote });
      expect(conn.proxy).toMatchObject({ destination: local, ssl: undefined, tlvs: [] });
    });

    it('tells the IPv4 address of a client that comes over an IPv6 socket', async () => {
      await using app = await behind().start();
      await using haproxy = await Haproxy.start(
        relay({ server: `127.0.0.1:${app.listener(Behind).port} ${sending}` }),
        { hosts: ['::ffff:127.0.0.1'] },
      );
      await using client = await TestClient.connect({ port: haproxy.port }, { localAddress: '127.0.0.2' });
      const remote = { address: '127.0.0.2', port: client.localPort ?? 0 };
      expect(await client.line()).toBe(greeting(remote, { address: '127.0.0.1', port: haproxy.port }));
      const conn = await app.resolve(Behind).opened.take();
      expect(conn.proxy?.source).toEqual({ ...remote, family: 'IPv4' });
    });

    it('reaches a listener on a Unix socket', async () => {
      await using directory = await TemporaryDirectory.make();
      const path = directory.at('behind.sock');
      await using _app = await behind({ path }).start();
      await using haproxy = await Haproxy.start(relay({ server: `unix@${path} ${sending}` }));
      await using client = await TestClient.connect({ port: haproxy.port });
      const ends = greeting(
        { address: '127.0.0.1', port: client.localPort ?? 0 },
        { address: '127.0.0.1', port: haproxy.port },
      );
      expect(await client.line()).toBe(ends);
      await client.send('one\n');
      expect(await client.line()).toBe('one');
    });

    it('knows nothing of a client on a Unix socket, which counts as HAProxy’s own', async () => {
      await using app = await behind({ maxConnectionsPerIp: 1 }).start();
      const { port } = app.listener(Behind);
      await using haproxy = await Haproxy.start(
        relay({ server: `127.0.0.1:${port} ${sending}`, frontend: ['bind unix@clients.sock'] }),
      );
      const path = join(haproxy.directory, 'clients.sock');
      await using first = await TestClient.connect({ path });
      await using second = await TestClient.connect({ path });
      for (const client of [first, second]) expect(await client.line()).toMatch(`127.0.0.1:${port}`);
      const conn = await app.resolve(Behind).opened.take();
      expect(conn.proxy).toMatchObject({ version, source: undefined, destination: undefined });
      expect(conn.remote.address).toBe('127.0.0.1');
    });

    it('passes on what another balancer in front of it has told', async () => {
      await using app = await behind().start();
      await using haproxy = await Haproxy.start(
        relay({ server: `127.0.0.1:${app.listener(Behind).port} ${sending}`, bind: 'accept-proxy' }),
      );
      const source = { address: '2001:db8::7', port: 4711 };
      const destination = { address: '2001:db8::1', port: 443 };
      await using client = await TestClient.connect({ port: haproxy.port }, { proxy: { source, destination } });
      expect(await client.line()).toBe(greeting(source, destination));
    });
  });

  it('the header has what the options of version 2 ask for', async () => {
    await using app = await behind().start();
    const options = 'proxy-v2-options crc32c,unique-id,authority,ssl,cert-cn,cert-key,cert-sig,ssl-cipher';
    await using haproxy = await Haproxy.start(
      relay({
        server: `127.0.0.1:${app.listener(Behind).port} send-proxy-v2 ${options}`,
        frontend: ['unique-id-format %ci:%cp'],
      }),
    );
    await using client = await TestClient.connect({ port: haproxy.port });
    await client.line();
    const { proxy } = await app.resolve(Behind).opened.take();
    expect(proxy?.uniqueId?.toString()).toBe(`127.0.0.1:${client.localPort}`);
    expect(proxy?.tlvs.map(({ type }) => type).sort()).toEqual(
      [proxyTlvTypes.crc32c, proxyTlvTypes.uniqueId, proxyTlvTypes.ssl].sort(),
    );
    // It has come without TLS, and asked for no host.
    expect(proxy?.ssl).toMatchObject({ clientTls: false, verified: false, commonName: undefined });
    expect(proxy?.authority).toBeUndefined();
  });

  it('a listener that takes version 2 only refuses version 1, and says what to change', async () => {
    await using app = await behind({ proxyProtocol: { versions: [2] } }).start();
    await using haproxy = await Haproxy.start(relay({ server: `127.0.0.1:${app.listener(Behind).port} send-proxy` }));
    await using client = await TestClient.connect({ port: haproxy.port });
    expect(await client.closed()).not.toBe('client');
    await nothingIsLeft(app);
    expect(rejected(app)).toEqual({ proxyHeader: 1 });
    expect(app.logs.map(({ fields }) => fields.error)).toContainEqual(expect.stringContaining('send-proxy-v2'));
  });

  it('a listener that expects a header tells what is missing if HAProxy sends none', async () => {
    await using app = await behind().start();
    await using haproxy = await Haproxy.start(relay({ server: `127.0.0.1:${app.listener(Behind).port}` }));
    await using client = await TestClient.connect({ port: haproxy.port });
    await client.send('hello\n');
    expect(await client.closed()).not.toBe('client');
    await nothingIsLeft(app);
    expect(rejected(app)).toEqual({ proxyHeader: 1 });
    expect(app.logs.map(({ fields }) => fields.error)).toContainEqual(expect.stringContaining('send-proxy'));
  });
});

/** A check that only connects may be over before it has been accepted. */
const waitForGreeting = ['option tcp-check', 'tcp-check expect rstring :'];

describe.skipIf(noHaproxy !== '')(`the health checks of HAProxy${noHaproxy}`, () => {
  it.each(['send-proxy-v2', 'send-proxy-v2-ssl-cn'])('are its own connections with %s', async (sending) => {
    await using app = await behind({ maxConnectionsPerIp: 1 }).start();
    const { port } = app.listener(Behind);
    await using _ = await Haproxy.start(
      relay({ server: `127.0.0.1:${port} ${sending} check inter 20ms`, backend: waitForGreeting }),
    );
    const checks = await app.resolve(Behind).opened.takeMany(3);
    for (const { proxy, remote, local } of checks) {
      expect(proxy).toMatchObject({ version: 2, command: 'local', source: undefined, destination: undefined });
      expect(remote.address).toBe('127.0.0.1');
      expect(local.port).toBe(port);
    }
    // It resets them, so that its ports are free again at once.
    for (const { kind } of await app.resolve(Behind).closed.takeMany(3)) expect(['client', 'reset']).toContain(kind);
    expect(app.logs.filter(({ level }) => level === 'error' || level === 'warn')).toEqual([]);
  });

  it('have the ends of HAProxy’s own connection with send-proxy', async () => {
    await using app = await behind().start();
    const { port } = app.listener(Behind);
    await using _ = await Haproxy.start(
      relay({ server: `127.0.0.1:${port} send-proxy check inter 20ms`, backend: waitForGreeting }),
    );
    const { proxy } = await app.resolve(Behind).opened.take();
    expect(proxy).toMatchObject({ version: 1, command: 'proxy', destination: { address: '127.0.0.1', port } });
  });

  it.each([
    ['with a header', 'send-proxy-v2', waitForGreeting],
    // It resets those before the handshake of TCP is complete, or right after it.
    ['that only connect', 'send-proxy-v2 check port 0', []],
  ])('%s notice that a listener is suspended, and that it is back', async (_, sending, backend) => {
    await using app = await behind().start();
    const listener = app.listener(Behind);
    const server = `127.0.0.1:${listener.port} ${sending.replace('port 0', `port ${listener.port}`)}`;
    await using haproxy = await Haproxy.start(relay({ server: `${server} check inter 20ms fall 1 rise 1`, backend }));
    await listener.suspend();
    await haproxy.logged(/Server reagent\/one is DOWN/);
    await listener.resume();
    await haproxy.logged(/Server reagent\/one is UP/);
    await using client = await TestClient.connect({ port: haproxy.port });
    await client.line();
    expect(Object.keys(rejected(app)).filter((reason) => reason !== 'client')).toEqual([]);
    expect(app.logs.filter(({ message }) => message.includes('refused'))).toEqual([]);
  });
});
