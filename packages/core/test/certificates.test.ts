// Certificates that are replaced while clients come and go: no connection is lost, and what is wrong changes nothing.

import { randomBytes } from 'node:crypto';
import { mkdir, rename, symlink, unlink, writeFile } from 'node:fs/promises';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { connect } from 'node:tls';
import {
  bootstrap,
  ConfigurationError,
  type Connection,
  type DescriptorInput,
  lines,
  Module,
  OnData,
  Reagent,
  type TlsOptions,
} from '@reagent/core';
import { type CertificateFiles, certificates, createTestApp, type TestApp, TestClient } from '@reagent/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CapturedLog } from './support/captured-log.js';
import { until } from './support/until.js';

const pki = await certificates();
const second = await pki.for(['localhost', '127.0.0.1'], { commonName: 'second' });
const third = await pki.for(['localhost', '127.0.0.1'], { commonName: 'third' });

/** Milliseconds that a client may wait in a crowd. */
const PATIENCE_MS = 20_000;

let files: CertificateFiles;

beforeEach(async () => {
  files = await pki.files();
});

afterEach(async () => {
  vi.useRealTimers();
  await files[Symbol.asyncDispose]();
});

@Reagent({ port: 0, codec: lines() })
class Echo {
  @OnData()
  echo(conn: Connection<string>, line: string) {
    conn.send(line);
  }
}

function listening(options: TlsOptions = {}, descriptor: DescriptorInput = {}): Promise<TestApp> {
  return createTestApp(Echo, {
    descriptors: { Echo: { secure: { ...files.server, ...options }, ...descriptor } },
  }).start();
}

const trusting = { ca: pki.ca.cert };

/** The name on the certificate that a client is shown now. */
async function shown(app: TestApp, secure: object = trusting): Promise<string | undefined> {
  await using client = await app.connect(Echo, { secure, timeout: PATIENCE_MS });
  await client.send('hello\n');
  await client.receive('hello\n');
  return client.peerCertificate?.subject.replace('CN=', '');
}

/** Clients that come and go and others that stay, all of them talking all the time. */
class Crowd {
  /** How many have come and gone, by the certificate that they were shown. */
  readonly visits: Record<string, number> = {};
  /** Lines that those who stay have exchanged. */
  lines = 0;
  readonly #app: TestApp;
  readonly #work: Promise<void>[];
  #isOver = false;

  constructor(app: TestApp, size: number) {
    this.#app = app;
    this.#work = Array.from({ length: size }, (_, index) => (index % 2 === 0 ? this.#comeAndGo() : this.#stay()));
    for (const work of this.#work) work.catch(() => {}); // `disperse` tells.
  }

  /** Waits until every kind of client has done something more. */
  async stir(): Promise<void> {
    const [visits, lines] = [this.#visitors, this.lines];
    await until(() => this.#visitors > visits + 10 && this.lines > lines + 10, PATIENCE_MS);
  }

  /** Sends all home, and fails if any of them has met with an error. */
  async disperse(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#work);
  }

  get #visitors(): number {
    return Object.values(this.visits).reduce((sum, count) => sum + count, 0);
  }

  async #comeAndGo(): Promise<void> {
    while (!this.#isOver) {
      const name = (await shown(this.#app)) ?? 'none';
      this.visits[name] = (this.visits[name] ?? 0) + 1;
    }
  }

  async #stay(): Promise<void> {
    await using client = await this.#app.connect(Echo, { secure: trusting, timeout: PATIENCE_MS });
    while (!this.#isOver) {
      await client.send('still here\n');
      await client.receive('still here\n');
      this.lines++;
    }
  }
}

describe.each(['reloadCertificates()', 'reload()'])('%s', (call) => {
  const reload = (app: TestApp): Promise<void> =>
    call === 'reload()' ? app.application.reload() : app.listener(Echo).reloadCertificates();

  it('shows the new certificate to all who come from then on', async () => {
    await using app = await listening();
    expect(await shown(app)).toBe('localhost');
    await files.write('server', second);
    expect(await shown(app)).toBe('localhost');
    await reload(app);
    expect(await shown(app)).toBe('second');
    expect(app.listener(Echo).cert?.subject).toBe('CN=second');
    const news = app.logs.filter(({ message }) => message === 'certificates reloaded');
    expect(news).toEqual([
      expect.objectContaining({ level: 'info', fields: expect.objectContaining({ listener: 'Echo' }) }),
    ]);
  });

  it('under load fails no connection, again and again', async () => {
    await using app = await listening();
    const crowd = new Crowd(app, 12);
    await crowd.stir();
    for (const next of [second, third, pki.server, second, third]) {
      await files.write('server', next);
      await reload(app);
      await crowd.stir();
    }
    await crowd.disperse();
    expect(Object.keys(crowd.visits).sort()).toEqual(['localhost', 'second', 'third']);
    const { tls, connections } = app.listener(Echo).stats();
    expect(Object.values(tls.failed).every((count) => count === 0)).toBe(true);
    expect(Object.values(connections.rejected).every((count) => count === 0)).toBe(true);
    expect(await shown(app)).toBe('third');
  });

  it.each<[string, (files: CertificateFiles) => Promise<unknown>, string, RegExp]>([
    ['cut off', ({ server }) => writeFile(server.cert, pki.server.cert.slice(0, 300)), 'cert', /server\.pem .*cut off/],
    ['empty', ({ server }) => writeFile(server.key, ''), 'key', /server\.key\.pem .*it is empty/],
    ['gone', ({ server }) => unlink(server.cert), 'cert', /there is no file .*server\.pem/],
    ['not of one pair', ({ server }) => writeFile(server.cert, second.cert), 'key', /is not that of the certificate/],
  ])('with files that are %s rejects, and the old certificate stays', async (_how, spoil, field, message) => {
    await using app = await listening();
    await using talking = await app.connect(Echo, { secure: trusting });
    await spoil(files);
    const error: unknown = await reload(app).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConfigurationError);
    const { problems } = error as ConfigurationError;
    expect(problems).toEqual([{ where: 'Echo', path: `secure.${field}`, message: expect.stringMatching(message) }]);
    expect(await shown(app)).toBe('localhost');
    expect(app.listener(Echo).cert?.subject).toBe('CN=localhost');
    await talking.send('still here\n');
    await talking.receive('still here\n');
    // And when they are right, they are used.
    await files.write('server', second);
    await reload(app);
    expect(await shown(app)).toBe('second');
  });

  it('reads the certificates for certain names as well', async () => {
    await using app = await listening({ sni: { localhost: files.client } });
    const named = { servername: 'localhost' };
    expect(await shown(app, named)).toBe('client');
    await files.write('client', second);
    await reload(app);
    expect([await shown(app, named), await shown(app)]).toEqual(['second', 'localhost']);
  });

  it.each([
    ['that are random', {}],
    ['that were given', { ticketKeys: randomBytes(48) }],
  ])(
    'reads the authorities of clients as well: with tickets %s, sessions of the dismissed are over',
    async (_, keys) => {
      await using app = await listening({ ca: files.ca, requestCert: true, ...keys });
      const member = { ...pki.client };
      const stranger = { ...pki.other.client };
      const client = await app.connect(Echo, { secure: member });
      const session = await client.nextSession();
      await expect(shown(app, stranger)).rejects.toThrow();
      await writeFile(files.ca, pki.other.ca.cert);
      await reload(app);
      expect(await shown(app, stranger)).toBe('localhost');
      await expect(shown(app, member)).rejects.toThrow();
      await expect(shown(app, { ...member, session })).rejects.toThrow();
      // Who is there already stays.
      await client.send('still here\n');
      await client.receive('still here\n');
    },
  );

  it('does nothing where there are no files', async () => {
    await using app = await listening(pki.server);
    await reload(app);
    expect(await shown(app)).toBe('localhost');
  });

  it('does nothing where there is no TLS', async () => {
    await using app = await createTestApp(Echo).start();
    await expect(reload(app)).resolves.toBeUndefined();
  });
});

/** The way to a server, on which the client's second message waits until it is let through. */
class Turnstile extends Duplex {
  readonly #socket;
  #messages = 0;
  #letThrough: () => void = () => undefined;

  constructor(port: number) {
    super();
    this.#socket = connectPlain(port, '127.0.0.1');
    this.#socket.on('data', (chunk) => this.push(chunk)).on('end', () => this.push(null));
  }

  /** Whether a message waits. */
  get holds(): boolean {
    return this.#messages > 1;
  }

  letThrough(): void {
    this.#letThrough();
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const write = (): boolean => this.#socket.write(chunk, done);
    if (++this.#messages === 2) this.#letThrough = write;
    else write();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}

it.each(['TLSv1.2', 'TLSv1.3'] as const)('a handshake over %s outlives a reload in its middle', async (version) => {
  await using app = await listening();
  const way = new Turnstile(app.listener(Echo).port);
  const client = connect({ socket: way, ca: pki.ca.cert, servername: 'localhost', maxVersion: version });
  let received = '';
  client.on('data', (chunk) => (received += String(chunk)));
  client.write('hello\n');
  await until(() => way.holds);
  await files.write('server', second);
  await app.listener(Echo).reloadCertificates();
  expect(await shown(app)).toBe('second');
  way.letThrough();
  await until(() => received === 'hello\n');
  expect(client.getPeerX509Certificate()?.subject).toBe('CN=localhost');
  client.destroy();
});

describe('an application', () => {
  @Reagent({ port: 0, host: '127.0.0.1', secure: true })
  class Shared {
    @OnData()
    data() {}
  }

  @Reagent({ port: 0, host: '127.0.0.1' })
  class Own {
    @OnData()
    data() {}
  }

  @Reagent({ port: 0, host: '127.0.0.1' })
  class Upgrading {
    @OnData()
    async upgrade(conn: Connection) {
      conn.send('go ahead');
      await conn.startTls();
    }
  }

  @Module({ reagents: [Shared, Own, Upgrading] })
  class AppModule {}

  const started = (log: CapturedLog) =>
    bootstrap(AppModule, {
      secure: files.server,
      overrides: { Own: { secure: files.client } },
      logger: log,
      signals: false,
    });

  it('reloads what all its listeners use, and reads each file once', async () => {
    const log = new CapturedLog();
    await using app = await started(log);
    await files.write('server', second);
    await files.write('client', third);
    await app.reload();
    expect(app.listener(Shared).cert?.subject).toBe('CN=second');
    expect(app.listener(Own).cert?.subject).toBe('CN=third');
    expect(log.lines.filter((line) => line === 'info certificates reloaded')).toHaveLength(2);
    await using client = await TestClient.connect({ port: app.listener(Upgrading).port });
    await client.send('STARTTLS');
    await client.receive('go ahead');
    await client.startTls(trusting);
    expect(client.peerCertificate?.subject).toBe('CN=second');
  });

  it('reloads what it can, and tells all that is wrong with the rest', async () => {
    await using app = await started(new CapturedLog());
    await files.write('server', second);
    await writeFile(files.client.key, '');
    await expect(app.reload()).rejects.toThrow(/1 problem.*\n {2}Own, secure\.key: .*client\.key\.pem/);
    expect(app.listener(Shared).cert?.subject).toBe('CN=second');
    expect(app.listener(Own).cert?.subject).toBe('CN=client');
    await writeFile(files.server.key, '');
    await expect(app.reload()).rejects.toThrow(
      /2 problems.*\n {2}the application, secure\.key: .*\n {2}Own, secure\.key/,
    );
  });
});

describe('watch: true', () => {
  /** Lets the time pass in which files are looked at, until something has come of it. */
  async function looks(condition: () => boolean): Promise<void> {
    for (let turns = 0; !condition(); turns++) {
      if (turns > 5_000) throw new Error(`it never became true that ${condition}`);
      vi.advanceTimersByTime(1_000);
      await nextTurn();
    }
  }

  const watching = (options: TlsOptions = {}) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    return listening({ watch: true, ...options });
  };
  const subject = (app: TestApp) => app.listener(Echo).cert?.subject;

  it('notices files that are replaced, under load, and fails no connection', async () => {
    await using app = await watching();
    const crowd = new Crowd(app, 8);
    await crowd.stir();
    for (const [next, name] of [
      [second, 'CN=second'],
      [third, 'CN=third'],
    ] as const) {
      await files.write('server', next);
      await looks(() => subject(app) === name);
      await crowd.stir();
    }
    await crowd.disperse();
    expect(await shown(app)).toBe('third');
    expect(app.logs.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('notices a directory whose link is turned, as Kubernetes does', async () => {
    for (const [version, { cert, key }] of [
      ['..1', pki.server],
      ['..2', second],
    ] as const) {
      await mkdir(join(files.directory, version));
      await writeFile(join(files.directory, version, 'tls.crt'), cert);
      await writeFile(join(files.directory, version, 'tls.key'), key);
    }
    const at = (name: string) => join(files.directory, name);
    await symlink('..1', at('..data'));
    await symlink('..data/tls.crt', at('tls.crt'));
    await symlink('..data/tls.key', at('tls.key'));
    await using app = await watching({ cert: at('tls.crt'), key: at('tls.key') });
    const crowd = new Crowd(app, 8);
    await crowd.stir();
    await symlink('..2', at('..next'));
    await rename(at('..next'), at('..data'));
    await looks(() => subject(app) === 'CN=second');
    await crowd.stir();
    await crowd.disperse();
    expect(await shown(app)).toBe('second');
  });

  it('notices links that are turned one by one, as certbot does', async () => {
    await files.write('cert1', pki.server);
    const { cert, key } = await files.write('cert2', second);
    const at = (name: string) => join(files.directory, name);
    await symlink('cert1.pem', at('fullchain.pem'));
    await symlink('cert1.key.pem', at('privkey.pem'));
    await using app = await watching({ cert: at('fullchain.pem'), key: at('privkey.pem') });
    for (const [link, target] of [
      ['fullchain.pem', cert],
      ['privkey.pem', key],
    ] as const) {
      await unlink(at(link));
      await symlink(target, at(link));
    }
    await looks(() => subject(app) === 'CN=second');
    expect(await shown(app)).toBe('second');
  });

  it('keeps the old certificate while the new one is half-written, says so, and takes it when it is whole', async () => {
    await using app = await watching();
    const errors = () => app.logs.filter(({ level }) => level === 'error');
    await writeFile(files.server.cert, second.cert.slice(0, 200));
    await looks(() => errors().length > 0);
    expect(errors()).toEqual([
      {
        level: 'error',
        message: 'changed certificates are not used, the old ones stay',
        fields: {
          listener: 'Echo',
          err: expect.objectContaining({ message: expect.stringMatching(/server\.pem .*cut off/) }),
        },
      },
    ]);
    expect(await shown(app)).toBe('localhost');
    await files.write('server', second);
    await looks(() => subject(app) === 'CN=second');
    expect(await shown(app)).toBe('second');
  });

  it('does not repeat what a call has reloaded already', async () => {
    await using app = await watching();
    await files.write('server', second);
    await app.listener(Echo).reloadCertificates();
    for (let looked = 0; looked < 5; looked++) {
      vi.advanceTimersByTime(1_000);
      // The next look is planned when one is done.
      do await nextTurn();
      while (vi.getTimerCount() === 0);
    }
    expect(app.logs.filter(({ message }) => message === 'certificates reloaded')).toHaveLength(1);
  });

  it('looks at nothing any more when the listener has stopped', async () => {
    const app = await watching();
    expect(vi.getTimerCount()).toBe(1);
    await app.listener(Echo).stop();
    expect(vi.getTimerCount()).toBe(0);
    await app.stop();
  });

  it('reloads the certificates of the application for all its listeners', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    @Module({ reagents: [Echo] })
    class AppModule {}
    const app = await bootstrap(AppModule, {
      secure: { ...files.server, watch: true },
      overrides: { Echo: { secure: true, host: '127.0.0.1' } },
      logger: new CapturedLog(),
      signals: false,
    });
    await files.write('server', second);
    await looks(() => app.listener(Echo).cert?.subject === 'CN=second');
    await app.stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});
