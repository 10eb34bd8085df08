import { generateKeyPair, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { CertificateFiles } from './certificate-files.js';
import { type CertificateUsage, type Issuer, issueCertificate } from './x509.js';

/** A certificate and its key, as PEM text. It can be spread into the options of a server or a client. */
export interface CertificateAndKey {
  readonly cert: string;
  readonly key: string;
  /** What the key is encrypted with, where it is. */
  readonly passphrase?: string;
}

/** What a certificate is to be like. */
export interface CertificateOptions {
  /** Default: the first host. */
  readonly commonName?: string;
  /** Default: a day ago, as clocks differ, or a day before `notAfter` if that is earlier. */
  readonly notBefore?: Date;
  /** Default: `days` from now. */
  readonly notAfter?: Date;
  /** How long it is valid from now on, in days. Default: 30. */
  readonly days?: number;
  /** `'ec'`: P-256. `'rsa'`: 2 048 bits, which takes a while to make. Default: `'ec'`. */
  readonly key?: 'ec' | 'rsa';
  /** Encrypts the key. Default: it is not. */
  readonly passphrase?: string;
  /** Default: `'server'`. */
  readonly usage?: CertificateUsage | 'both';
}

const DAY_MS = 24 * 60 * 60 * 1_000;
const DEFAULT_DAYS = 30;
const RSA_BITS = 2_048;
const LOCALHOST = ['localhost', '127.0.0.1', '::1'];

const generateKey = promisify(generateKeyPair);

/**
 * Makes a throw-away certificate authority. It takes some milliseconds, and no two are the same: make one in each test file.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:tls';
 * import { certificates } from '@reagent/testing';
 *
 * const { ca, server, client } = await certificates();
 * const mutual = createServer({ ...server, ca: ca.cert, requestCert: true });
 * ```
 */
export async function certificates(): Promise<Certificates> {
  return new Certificates('the CA of a test');
}

/**
 * A certificate authority and certificates for the usual cases, each made when it is first asked for: `server` is what a server on this
 * machine needs, and the others are like it but for what their name says.
 */
export class Certificates {
  /** The certificate that a peer has to trust, and the key that signs. */
  readonly ca: CertificateAndKey;
  readonly #issuer: Issuer;
  readonly #made = new Map<string, CertificateAndKey>();
  #other: Certificates | undefined;

  /** Made by `certificates()`. */
  constructor(commonName: string) {
    const key = ellipticKey();
    this.#issuer = { commonName, key };
    const validity = validityOf({});
    const subject = { commonName, key, hosts: [], usages: [], authority: true, ...validity };
    this.ca = { cert: issueCertificate(subject, this.#issuer), key: exported(key) };
  }

  /** For `localhost`, 127.0.0.1 and ::1. */
  get server(): CertificateAndKey {
    return this.#once('server', () => this.#issue(ellipticKey(), LOCALHOST, {}));
  }

  /** That of a client, with the common name `client`. */
  get client(): CertificateAndKey {
    return this.#once('client', () => this.#issue(ellipticKey(), [], { commonName: 'client', usage: 'client' }));
  }

  /** That of a server, no longer valid since yesterday. */
  get expired(): CertificateAndKey {
    const options = { notBefore: daysFromNow(-2), notAfter: daysFromNow(-1) };
    return this.#once('expired', () => this.#issue(ellipticKey(), LOCALHOST, options));
  }

  /** That of a server, valid from tomorrow. */
  get notYetValid(): CertificateAndKey {
    return this.#once('notYetValid', () => this.#issue(ellipticKey(), LOCALHOST, { notBefore: daysFromNow(1) }));
  }

  /** That of a server with the name `wrong.host.test`. */
  get wrongHost(): CertificateAndKey {
    return this.#once('wrongHost', () => this.#issue(ellipticKey(), ['wrong.host.test'], {}));
  }

  /** That of a server, signed by its own key. It is its own authority: a client may be told to trust it. */
  get selfSigned(): CertificateAndKey {
    return this.#once('selfSigned', () => {
      const [key, commonName] = [ellipticKey(), 'localhost'];
      const subject = { commonName, key, hosts: LOCALHOST, usages: ['server'] as const, authority: true };
      return { cert: issueCertificate({ ...subject, ...validityOf({}) }, { commonName, key }), key: exported(key) };
    });
  }

  /** Another authority, with all of the above, that nobody trusts. */
  get other(): Certificates {
    this.#other ??= new Certificates('another CA of a test');
    return this.#other;
  }

  /**
   * A certificate for names and addresses; `*.example.com` is every name one level below. One without any needs a `commonName`.
   *
   * @example
   * ```ts
   * import { createServer } from 'node:tls';
   * import { certificates } from '@reagent/testing';
   *
   * const ca = await certificates();
   * const server = createServer(ca.server);
   * server.addContext('*.example.com', await ca.for('*.example.com', { key: 'rsa', days: 1 }));
   * ```
   */
  async for(hosts: string | readonly string[], options: CertificateOptions = {}): Promise<CertificateAndKey> {
    const key = options.key === 'rsa' ? await rsaKey() : ellipticKey();
    return this.#issue(key, typeof hosts === 'string' ? [hosts] : hosts, options);
  }

  /**
   * Writes the authority's certificate and those of `server` and `client` into files: into a directory of their own under the
   * system's temporary one, or into one that exists. `await using` removes what was written.
   */
  files(directory?: string): Promise<CertificateFiles> {
    return CertificateFiles.write(this, directory);
  }

  #issue(key: KeyObject, hosts: readonly string[], options: CertificateOptions): CertificateAndKey {
    const { commonName = hosts[0], usage = 'server', passphrase } = options;
    if (commonName === undefined) throw new TypeError('certificates: give a host or a commonName');
    const usages = usage === 'both' ? (['server', 'client'] as const) : [usage];
    const subject = { commonName, key, hosts, usages, authority: false, ...validityOf(options) };
    const cert = issueCertificate(subject, this.#issuer);
    return { cert, key: exported(key, passphrase), ...(passphrase !== undefined && { passphrase }) };
  }

  #once(name: string, make: () => CertificateAndKey): CertificateAndKey {
    const made = this.#made.get(name) ?? make();
    this.#made.set(name, made);
    return made;
  }
}

function validityOf(options: CertificateOptions): { readonly notBefore: Date; readonly notAfter: Date } {
  const { days = DEFAULT_DAYS, notAfter = daysFromNow(days) } = options;
  const yesterday = Math.min(Date.now(), notAfter.getTime()) - DAY_MS;
  return { notBefore: options.notBefore ?? new Date(yesterday), notAfter };
}

function daysFromNow(days: number): Date {
  return new Date(Date.now() + days * DAY_MS);
}

function ellipticKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/** Off the main thread, as a server under test may run on it. */
async function rsaKey(): Promise<KeyObject> {
  return (await generateKey('rsa', { modulusLength: RSA_BITS })).privateKey;
}

function exported(key: KeyObject, passphrase?: string): string {
  const encryption = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase };
  return key.export({ type: 'pkcs8', format: 'pem', ...encryption }).toString();
}
