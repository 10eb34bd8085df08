// Clients from outside over TLS: openssl and curl.

import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type Connection, lines, OnConnection, OnData, Reagent } from '@reagent/core';
import { certificates, createTestApp, type TestApp } from '@reagent/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { needs, Program } from './support/program.js';
import { until } from './support/until.js';

const pki = await certificates();
const files = await pki.files();
afterAll(() => files[Symbol.asyncDispose]());

@Reagent({
  port: 0,
  codec: lines(),
  secure: { ...pki.server, alpn: ['echo'], sni: { 'a.test': await pki.for('a.test') } },
})
class Echo {
  @OnConnection()
  hello(conn: Connection<string>) {
    conn.send(`hello ${conn.serverName ?? 'stranger'}, ${conn.alpnProtocol ?? 'whatever'}`);
  }

  @OnData()
  echo(conn: Connection<string>, line: string) {
    conn.send(line);
  }
}

describe.skipIf(needs('openssl')).each(['-tls1_2', '-tls1_3'])(`openssl s_client %s${needs('openssl')}`, (version) => {
  const connecting = (app: TestApp, ...args: string[]) =>
    Program.start('openssl', [
      ...['s_client', '-connect', `127.0.0.1:${app.listener('Echo').port}`, version],
      ...['-CAfile', files.ca, '-verify_return_error', ...args],
    ]);

  it('verifies the certificate and its name, agrees on a protocol and talks', async () => {
    await using app = await createTestApp(Echo).start();
    const args = ['-servername', 'a.test', '-verify_hostname', 'a.test', '-alpn', 'echo'];
    await using client = connecting(app, ...args);
    await client.printed(/^hello a\.test, echo$/m);
    client.write('one\ntwo\n');
    await client.printed(/^one\ntwo$/m);
    client.end();
    expect(await client.exit()).toBe(0);
    expect(client.output).toMatch(/Verification: OK/);
    expect(client.output).toMatch(/Verified peername: a\.test/);
    expect(client.output).toMatch(/ALPN protocol: echo/);
  });

  it('without a name is shown the default certificate', async () => {
    await using app = await createTestApp(Echo).start();
    await using client = connecting(app, '-noservername', '-verify_hostname', 'localhost');
    await client.printed(/^hello stranger, whatever$/m);
    client.end();
    expect(await client.exit()).toBe(0);
  });

  it('with another protocol is told that there is none', async () => {
    await using app = await createTestApp(Echo).start();
    await using client = connecting(app, '-alpn', 'other');
    expect(await client.exit()).toBe(1);
    expect(client.errors).toMatch(/no application protocol/);
  });

  it('ends in peace when the server closes, at once and later', async () => {
    @Reagent({ port: 0, secure: pki.server })
    class Banner {
      @OnConnection()
      async show(conn: Connection) {
        conn.send('banner\n');
        for (let turns = 0; turns < this.turns; turns++) await new Promise((resolve) => setImmediate(resolve));
      }

      turns = 0;
    }
    await using app = await createTestApp(Banner, { descriptors: { Banner: { name: 'Echo' } } }).start();
    for (app.resolve(Banner).turns of [0, 1, 2, 10]) {
      await using client = connecting(app, '-quiet');
      expect(await client.exit()).toBe(0);
      expect(client.output).toBe('banner\n');
      expect(client.errors).not.toMatch(/error/);
    }
  });

  it('sends megabytes from a file and gets them back', async () => {
    @Reagent({ port: 0, secure: pki.server })
    class Raw {
      @OnData()
      echo(conn: Connection, data: Buffer) {
        conn.send(data);
      }
    }
    await using app = await createTestApp(Raw, { descriptors: { Raw: { name: 'Echo' } } }).start();
    const sent = randomBytes(3_000_000);
    await using client = connecting(app, '-quiet');
    client.write(sent);
    await until(() => client.output.length === sent.length);
    expect(Buffer.from(client.output, 'latin1').equals(sent)).toBe(true);
  });
});

describe.skipIf(needs('openssl'))(`openssl s_client${needs('openssl')}`, () => {
  it('talks over a Unix socket', async () => {
    const path = `${files.directory}/echo.sock`;
    await using app = await createTestApp(Echo, { descriptors: { Echo: { path } } }).start();
    expect(app.listener(Echo)).toMatchObject({ address: path, secure: true });
    await using client = Program.start('openssl', [
      's_client',
      '-unix',
      path,
      '-CAfile',
      files.ca,
      '-verify_return_error',
    ]);
    await client.printed(/^hello stranger/m);
    client.write('one\n');
    await client.printed(/^one$/m);
    client.end();
    expect(await client.exit()).toBe(0);
  });

  it('that wants to renegotiate is refused, and disturbs nobody', async () => {
    await using app = await createTestApp(Echo).start();
    const listener = app.listener(Echo);
    await using bystander = await app.connect(Echo);
    await bystander.line();
    await using client = Program.start('openssl', ['s_client', '-connect', `127.0.0.1:${listener.port}`, '-tls1_2']);
    await client.printed(/^hello stranger/m);
    client.write('R\n');
    expect(await client.exit()).toBe(1);
    expect(client.errors).toMatch(/no renegotiation/);
    await listener.waitForConnections((open) => open === 1, { timeout: 4_000 });
    expect(listener.stats().tls.handshakes).toBe(2);
    await bystander.send('still here\n');
    await bystander.receive('still here\n');
  });

  it('changes its keys as often as it likes, over TLS 1.3', async () => {
    await using app = await createTestApp(Echo).start();
    const { port } = app.listener(Echo);
    await using client = Program.start('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-tls1_3']);
    await client.printed(/^hello stranger/m);
    // k: its own keys, K: those of both sides.
    for (const [index, order] of ['k', 'K', 'K', 'k'].entries()) {
      client.write(`${order}\n`);
      await client.complained(new RegExp(`(KEYUPDATE\\s+){${index + 1}}`));
      client.write(`after ${order}, ${index}\n`);
      await client.printed(new RegExp(`^after ${order}, ${index}$`, 'm'));
    }
    client.end();
    expect(await client.exit()).toBe(0);
  });
});

describe.skipIf(needs('curl'))(`curl https://${needs('curl')}`, () => {
  /** As much of HTTP as one answer needs. */
  @Reagent({ port: 0, secure: { ...pki.server, alpn: ['http/1.1'] } })
  class ByHand {
    @OnConnection()
    async answer(conn: Connection) {
      const head = await conn.recv({ until: '\r\n\r\n', timeout: 5_000 });
      const [line = ''] = String(head).split('\r\n');
      const body = `${line}\n`;
      conn.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
    }
  }

  const http = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () =>
      response.end(request.method === 'GET' ? `you asked for ${request.url}\n` : Buffer.concat(chunks)),
    );
  });

  @Reagent({ port: 0, secure: { ...pki.server, alpn: ['http/1.1'] } })
  class ByNode {
    @OnConnection()
    serve(conn: Connection) {
      http.emit('connection', conn.stream);
    }
  }

  const curl = (...args: string[]) => Program.run('curl', ['-sS', '--max-time', '10', '--cacert', files.ca, ...args]);

  it.each(['1.2', '1.3'])('gets an answer that is written by hand, over TLS %s', async (version) => {
    await using app = await createTestApp(ByHand).start();
    const url = `https://127.0.0.1:${app.listener(ByHand).port}/here`;
    const client = await curl(`--tlsv${version}`, '--tls-max', version, '-w', '%{http_code} %{ssl_verify_result}', url);
    expect(client.errors).toBe('');
    expect(client.output).toBe('GET /here HTTP/1.1\n200 0');
  });

  it('is served by node:http over conn.stream, several times on one connection', async () => {
    await using app = await createTestApp(ByNode).start();
    const url = `https://127.0.0.1:${app.listener(ByNode).port}`;
    const client = await curl(`${url}/one`, `${url}/two`, `${url}/three`);
    expect(client.output).toBe('you asked for /one\nyou asked for /two\nyou asked for /three\n');
    expect(app.listener(ByNode).stats().tls.handshakes).toBe(1);
  });

  it('uploads and downloads megabytes through node:http', async () => {
    await using app = await createTestApp(ByNode).start();
    const sent = randomBytes(3_000_000);
    await writeFile(`${files.directory}/upload`, sent);
    const url = `https://127.0.0.1:${app.listener(ByNode).port}/`;
    const client = await curl('--data-binary', `@${files.directory}/upload`, '-o', `${files.directory}/download`, url);
    expect(client.errors).toBe('');
    expect((await readFile(`${files.directory}/download`)).equals(sent)).toBe(true);
  });

  it('without our authority does not trust the certificate, which is counted', async () => {
    await using app = await createTestApp(ByHand).start();
    const listener = app.listener(ByHand);
    const client = await Program.run('curl', ['-sS', `https://127.0.0.1:${listener.port}/`]);
    expect(await client.exit()).toBe(60);
    await listener.waitForConnections((open) => open === 0, { timeout: 4_000 });
    expect(listener.stats().tls).toMatchObject({ handshakes: 0, failed: { refused: 1 } });
  });

  it('over http:// is counted as one that does not speak TLS', async () => {
    await using app = await createTestApp(ByHand).start();
    const listener = app.listener(ByHand);
    const client = await Program.run('curl', ['-sS', `http://127.0.0.1:${listener.port}/`]);
    expect(await client.exit()).not.toBe(0);
    expect(listener.stats().tls).toMatchObject({ handshakes: 0, failed: { notTls: 1 } });
  });
});
