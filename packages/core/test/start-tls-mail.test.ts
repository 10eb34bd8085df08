// STARTTLS as mail clients do it: swaks, curl and openssl talk to the mail server of the guide.

import { type Connection, lines, OnConnection, Reagent, type TlsOptions } from '@reagent/core';
import { certificates, createTestApp, type TestApp } from '@reagent/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { counted } from './support/counted.js';
import { needs, Program } from './support/program.js';

const pki = await certificates();
const files = await pki.files();
afterAll(() => files[Symbol.asyncDispose]());

const secure: TlsOptions = pki.server;

@Reagent({ port: 0, codec: lines({ delimiter: '\r\n' }) })
class Mail {
  readonly mails: { readonly text: string; readonly recipients: readonly string[]; readonly secure: boolean }[] = [];

  @OnConnection()
  async session(conn: Connection<string>) {
    let recipients: string[] = [];
    conn.send('220 mail.example.com ESMTP');
    for await (const line of conn) {
      const command = line.toUpperCase();
      if (command === 'QUIT') {
        conn.send('221 bye');
        return;
      }
      if (command.startsWith('EHLO ')) {
        conn.send('250-mail.example.com');
        conn.send(conn.secure ? '250 8BITMIME' : '250 STARTTLS');
      } else if (command === 'STARTTLS' && !conn.secure) {
        conn.send('220 go ahead');
        await conn.startTls(secure);
        recipients = [];
      } else if (!conn.secure) {
        conn.send('530 STARTTLS first');
      } else if (command.startsWith('MAIL FROM:')) {
        recipients = [];
        conn.send('250 ok');
      } else if (command.startsWith('RCPT TO:')) {
        recipients.push(line.slice('RCPT TO:'.length));
        conn.send('250 ok');
      } else if (command === 'DATA' && recipients.length > 0) {
        conn.send('354 end with a dot');
        const mail = await conn.recv({ until: '\r\n.\r\n', maxLength: 1_048_576 });
        if (mail === null) return;
        this.mails.push({ text: String(mail), recipients, secure: conn.secure });
        conn.send(`250 ${mail.length} bytes`);
      } else {
        conn.send('503 not now');
      }
    }
  }
}

const mailsOf = (app: TestApp) => app.resolve(Mail).mails;
const tlsOf = (app: TestApp) => app.listener(Mail).stats().tls;

describe.skipIf(needs('swaks'))(`swaks${needs('swaks')}`, () => {
  const swaks = (app: TestApp, ...args: string[]) =>
    Program.run('swaks', [
      ...['--server', `127.0.0.1:${app.listener(Mail).port}`, '--helo', 'client.example.com'],
      ...['--from', 'me@example.com', '--to', 'you@example.com', '--body', 'hello from swaks', ...args],
    ]);

  it('delivers a mail over TLS, and trusts the certificate', async () => {
    await using app = await createTestApp(Mail).start();
    const client = await swaks(app, '--tls', '--tls-verify', '--tls-ca-path', files.ca);
    expect(client.output).toMatch(/=== TLS started with cipher TLSv1\.3/);
    expect(await client.exit()).toBe(0);
    expect(mailsOf(app)).toEqual([
      { text: expect.stringContaining('hello from swaks'), recipients: ['<you@example.com>'], secure: true },
    ]);
    expect(tlsOf(app)).toMatchObject({ handshakes: 1 });
  });

  it('without TLS is told to begin with STARTTLS', async () => {
    await using app = await createTestApp(Mail).start();
    const client = await swaks(app);
    expect(client.output).toMatch(/530 STARTTLS first/);
    expect(mailsOf(app)).toEqual([]);
    expect(tlsOf(app).handshakes).toBe(0);
  });
});

describe.skipIf(needs('curl'))(`curl smtp://${needs('curl')}`, () => {
  const curl = (app: TestApp, ...args: string[]) =>
    Program.run(
      'curl',
      [
        ...['-sS', '--max-time', '10', '--ssl-reqd', ...args, '--mail-from', 'me@example.com'],
        ...['--mail-rcpt', 'you@example.com', '--mail-rcpt', 'them@example.com', '-T', '-'],
        `smtp://127.0.0.1:${app.listener(Mail).port}/client.example.com`,
      ],
      'hello from curl\r\n',
    );

  it('delivers a mail to two over TLS', async () => {
    await using app = await createTestApp(Mail).start();
    const client = await curl(app, '--cacert', files.ca);
    expect(client.errors).toBe('');
    expect(await client.exit()).toBe(0);
    expect(mailsOf(app)).toEqual([
      { text: 'hello from curl', recipients: ['<you@example.com>', '<them@example.com>'], secure: true },
    ]);
  });

  it('that does not trust the certificate delivers nothing, which is counted', async () => {
    await using app = await createTestApp(Mail).start();
    const client = await curl(app);
    expect(await client.exit()).toBe(60);
    const listener = app.listener(Mail);
    await listener.waitForConnections((open) => open === 0, { timeout: 4_000 });
    expect(counted(tlsOf(app).failed)).toEqual({ refused: 1 });
    expect(counted(listener.stats().connections.closed)).toEqual({ error: 1 });
    expect(mailsOf(app)).toEqual([]);
  });
});

describe.skipIf(needs('openssl'))(`openssl s_client -starttls smtp${needs('openssl')}`, () => {
  it.each(['-tls1_2', '-tls1_3'])('talks over TLS with %s', async (version) => {
    await using app = await createTestApp(Mail).start();
    await using client = Program.start('openssl', [
      ...['s_client', '-starttls', 'smtp', '-connect', `127.0.0.1:${app.listener(Mail).port}`, version, '-crlf'],
      ...['-CAfile', files.ca, '-verify_return_error', '-quiet'],
    ]);
    client.write('EHLO client.example.com\n');
    await client.printed(/250 8BITMIME\r\n/);
    client.write('QUIT\n');
    await client.printed(/221 bye\r\n/);
    expect(await client.exit()).toBe(0);
    expect(tlsOf(app)).toMatchObject({ handshakes: 1 });
  });
});
