import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import { type Connection, lines, OnConnection, OnData, Reagent } from '@reagent/core';
import { describe, expect, it } from 'vitest';
import { certificates } from '../certificates/certificates.js';
import { createTestApp } from '../create-test-app.js';
import { clientHello } from './client-hello.js';
import { drip } from './drip.js';
import { flood } from './flood.js';
import { halfClose } from './half-close.js';
import { halfProxyHeader } from './half-proxy-header.js';
import { neverReads } from './never-reads.js';
import { resetAfter } from './reset-after.js';
import { SocketEnds } from './socket-ends.js';
import { stalledHandshake } from './stalled-handshake.js';

/** Answers each line with another. */
@Reagent({ port: 0, codec: lines() })
class Shout {
  @OnData()
  async shout(conn: Connection<string>, line: string) {
    await undefined;
    if (line === 'quit') return conn.close();
    if (line === 'reset') return conn.reset();
    conn.send(`${line}!`);
  }
}

/** Answers each chunk with its length. */
@Reagent({ port: 0 })
class Lengths {
  @OnData()
  tell(conn: Connection, data: Buffer) {
    conn.send(`${data.length},`);
  }
}

describe('drip', () => {
  it('sends all, a byte at a time, each when the one before has left', async () => {
    const written: string[] = [];
    let leaving = 0;
    const client = {
      async write(data: string | Uint8Array) {
        leaving++;
        written.push(`${data}, ${leaving} on the way`);
        await delay(2);
        leaving--;
      },
      closed: () => new Promise<never>(() => {}),
    };
    expect(await drip(client, 'abc')).toBe(3);
    expect(written).toEqual(['a, 1 on the way', 'b, 1 on the way', 'c, 1 on the way']);
  });

  it('reaches the server in pieces', async () => {
    await using app = await createTestApp(Lengths).start();
    const client = await app.connect(Lengths);
    // However busy the machine is: what two of so many bytes have between them is enough for some of them to arrive alone.
    const dripping = drip(client, 'x'.repeat(20), { every: 5 });
    await client.receive(/1,/);
    expect(await dripping).toBe(20);
  });

  it('ends when the server closes, and tells how far it came', async () => {
    await using app = await createTestApp(Shout).start();
    const client = await app.connect(Shout);
    const sent = await drip(client, `quit\n${'x'.repeat(10_000)}`);
    expect(sent).toBeGreaterThanOrEqual(5);
    expect(sent).toBeLessThan(10_000);
    expect(await client.closed()).toBe('end');
  });

  it('ends when the server resets, or the client is closed', async () => {
    await using app = await createTestApp(Shout).start();
    expect(await drip(await app.connect(Shout), `reset\n${'x'.repeat(10_000)}`)).toBeLessThan(10_000);
    const client = await app.connect(Shout);
    const dripping = drip(client, '\ntwo\n', { every: 60_000 });
    await client.receive('!\n');
    client.destroy();
    expect(await dripping).toBe(1);
  });

  it('leaves no timer behind', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    await using app = await createTestApp(Lengths).start();
    const before = timers();
    const client = await app.connect(Lengths);
    await drip(client, 'ab');
    client.destroy();
    await client.closed();
    expect(timers()).toBeLessThanOrEqual(before);
  });
});

describe('half close', () => {
  it('sends the last there is with a FIN and gives the whole answer', async () => {
    await using app = await createTestApp(Shout).start();
    const client = await app.connect(Shout);
    expect(String(await halfClose(client, 'one\ntwo'))).toBe('one!\ntwo!\n');
    expect(await client.closed()).toBe('end');
  });

  it('sends nothing but the FIN where there is nothing to say', async () => {
    await using app = await createTestApp(Shout).start();
    expect(await halfClose(await app.connect(Shout))).toHaveLength(0);
  });

  it('fails when the server resets', async () => {
    await using app = await createTestApp(Shout).start();
    await expect(halfClose(await app.connect(Shout), 'reset\nmore\n')).rejects.toThrow('reset');
  });
});

describe('reset', () => {
  it('comes when so many bytes have arrived', async () => {
    await using app = await createTestApp(Shout).start();
    const client = await app.connect(Shout);
    await client.send('hello\n');
    const [connection] = app.listener(Shout).connections;
    await resetAfter(client, { received: 3 });
    expect(await client.closed()).toBe('client');
    expect(client.received.length).toBeGreaterThanOrEqual(3);
    await app.listener(Shout).waitForConnections((open) => open === 0, { timeout: 1_000 });
    expect((await connection?.closed)?.kind).toBe('reset');
  });

  it('comes behind what is sent', async () => {
    await using app = await createTestApp(Shout).start();
    const client = await app.connect(Shout);
    await client.send('hello\n');
    await client.receive('hello!\n');
    const [connection] = app.listener(Shout).connections;
    await resetAfter(client, { sent: 'half a l' });
    expect((await connection?.closed)?.kind).toBe('reset');
  });
});

describe('a client that never reads', () => {
  it('has the server keep what it sends', async () => {
    @Reagent({ port: 0 })
    class Fill {
      @OnConnection()
      async fill(conn: Connection) {
        while (conn.send(Buffer.alloc(65_536))) await conn.drained();
        await conn.closed;
      }
    }

    await using app = await createTestApp(Fill).start();
    await using client = await neverReads(app.listener(Fill));
    await client.send('x');
    await expect(client.closed({ timeout: 20 })).rejects.toThrow('reading is paused');
    expect(client.received.length).toBeLessThan(65_536);
    client.resume();
    await client.receive(65_536);
  });
});

/** A TLS server without a certificate: enough for a handshake to fail when its first message is complete. */
async function tlsServer() {
  const failures: Error[] = [];
  const server = createTlsServer({ handshakeTimeout: 60_000 });
  server.on('tlsClientError', (error) => failures.push(error));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, failures, port: (server.address() as AddressInfo).port };
}

describe('a stalled handshake', () => {
  it('sends half a ClientHello and no more', async () => {
    const { server, failures, port } = await tlsServer();
    const accepted = once(server, 'connection');
    using ends = new SocketEnds();
    await using client = await stalledHandshake({ port });
    const [socket] = await accepted;
    expect(await ends.whenRead(client, 2_000)).toBe('read');
    expect(socket.bytesRead).toBeGreaterThan(100);
    await client.expectNothing(20);
    expect(failures).toEqual([]);
    server.close();
  });

  it('sends as much of it as is asked for: nothing, or all, which the server answers', async () => {
    const { server, port } = await tlsServer();
    const accepted = once(server, 'connection');
    await using silent = await stalledHandshake({ port }, { bytes: 0 });
    const [socket] = await accepted;
    await silent.expectNothing(20);
    expect(socket.bytesRead).toBe(0);
    await using whole = await stalledHandshake({ port }, { bytes: Infinity });
    // An alert: the server and the client have no certificate in common.
    expect((await whole.receive(1))[0]).toBe(0x15);
    server.close();
  });

  it('is cut short by a listener', async () => {
    const { server } = await certificates();

    @Reagent({ port: 0, secure: server, timeouts: { handshake: 20 } })
    class Secure extends Lengths {}

    await using app = await createTestApp(Secure).start();
    await using client = await stalledHandshake(app.listener(Secure));
    await client.closed();
    expect(app.listener(Secure).stats().tls.failed.timeout).toBe(1);
  });

  it('the ClientHello is one whole record, with what was asked for', async () => {
    const hello = await clientHello({ servername: 'example.com', ALPNProtocols: ['h2'] });
    expect(hello[0]).toBe(0x16);
    expect(hello.readUInt16BE(3)).toBe(hello.length - 5);
    expect(hello.includes('example.com')).toBe(true);
    expect(hello.includes('h2')).toBe(true);
  });
});

it('they come in memory too, to a listener that is bound to nothing', async () => {
  @Reagent({ port: 0, proxyProtocol: true, timeouts: { proxyHeader: 20 } })
  class Behind extends Lengths {}

  await using app = await createTestApp(Behind, { transport: 'memory' }).start();
  await using client = await halfProxyHeader(app.listener(Behind));
  await client.closed();
  expect(app.listener(Behind).stats().connections.rejected.proxyHeader).toBe(1);
  await expect(flood(2, app.listener(Behind))).rejects.toThrow('Behind is bound to no address');
});

describe('half a PROXY header', () => {
  it('is cut short by a listener', async () => {
    @Reagent({ port: 0, proxyProtocol: true, timeouts: { proxyHeader: 20 } })
    class Behind extends Lengths {}

    await using app = await createTestApp(Behind).start();
    await using text = await halfProxyHeader(app.listener(Behind));
    await using binary = await halfProxyHeader(app.listener(Behind), { version: 2 });
    await Promise.all([text.closed(), binary.closed()]);
    expect(app.listener(Behind).stats().connections.rejected.proxyHeader).toBe(2);
  });

  it('is sent in either version, and nothing else', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const sentBy = async (options?: Parameters<typeof halfProxyHeader>[1]) => {
      const accepted = once(server, 'connection');
      const client = await halfProxyHeader({ port }, options);
      const [socket] = await accepted;
      client.destroy();
      return Buffer.concat(await socket.toArray());
    };
    expect(String(await sentBy())).toBe('PROXY TCP4 192.0.2.1 1');
    expect(String(await sentBy({ bytes: Infinity }))).toBe('PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n');
    const half = await sentBy({ version: 2 });
    const whole = await sentBy({ version: 2, bytes: Infinity });
    expect(half).toHaveLength(14);
    expect(whole.toString('hex')).toBe('0d0a0d0a000d0a515549540a2111000cc0000201c6336401dc0401bb');
    expect(whole.subarray(0, 14)).toEqual(half);
    server.close();
  });
});
