// A certificate with its key, which a server shows to its clients.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { Duplex } from 'node:stream';
import { createSecureContext, type SecureContext, type SecureContextOptions, TLSSocket } from 'node:tls';
import { brokenLink, dateWarning, nameOf } from './certificate-checks.js';
import { isCertificate, isEncrypted, isPem, isPrivateKey, pemBlocks, whyNotFound } from './pem.js';
import type { Material, Sources } from './sources.js';
import type { PemSource, TlsIdentity } from './tls-options.js';
import { opensslReason, type TlsReport } from './tls-report.js';

/** A certificate and its key, which were found to belong together. */
export interface Identity {
  readonly certificate: X509Certificate;
  /** The same for node:tls. */
  readonly options: Pick<SecureContextOptions, 'cert' | 'key' | 'passphrase' | 'pfx'>;
  /** Ready for handshakes. */
  readonly context: SecureContext;
}

/** Certificates in the order in which they were found. */
export interface Chain {
  readonly certificates: readonly X509Certificate[];
  /** The same as PEM text, each one by itself. */
  readonly texts: readonly string[];
  /** Where they come from, for a message. */
  readonly name: string;
}

interface Key {
  readonly key: KeyObject;
  readonly text: string;
  readonly encrypted: boolean;
  readonly name: string;
}

/** Reads identities and certificates. What is wrong is reported, and `undefined` returned. */
export class IdentityReader {
  readonly #sources: Sources;
  readonly #report: TlsReport;

  constructor(sources: Sources, report: TlsReport) {
    this.#sources = sources;
    this.#report = report;
  }

  /**
   * The certificate and the key of an identity.
   *
   * @param path what its fields stand below
   * @param common the options that its context is to have besides
   */
  read(identity: TlsIdentity, path: string, common: SecureContextOptions): Identity | undefined {
    const { cert, key, passphrase, pfx } = identity;
    if (pfx !== undefined) return this.#archive(pfx, passphrase, path, common);
    if (cert === undefined || key === undefined) return undefined;
    const chain = this.certificates(cert, `${path}.cert`);
    const own = this.#privateKey(key, passphrase, path);
    const [certificate] = chain?.certificates ?? [];
    if (chain === undefined || own === undefined || certificate === undefined) return undefined;
    if (!this.#belongTogether(chain, own, path)) return undefined;
    const broken = brokenLink(chain.certificates);
    if (broken !== undefined) {
      this.#report.warn(
        `${path}.cert`,
        `the certificate for ${nameOf(broken)} in ${chain.name} is not followed by the one that issued it, so that clients may not accept it; put each before its issuer`,
      );
    }
    const options = {
      cert: chain.texts.join(''),
      key: own.text,
      ...(own.encrypted && passphrase !== undefined ? { passphrase } : {}),
    };
    try {
      return { certificate, options, context: createSecureContext({ ...common, ...options }) };
    } catch (error) {
      this.#report.problem(`${path}.cert`, refusal(chain.name, error));
      return undefined;
    }
  }

  /** All certificates of a source, one at least. */
  certificates(source: PemSource, path: string): Chain | undefined {
    const material = this.#sources.read(path, source);
    if (material === undefined) return undefined;
    const { bytes, name } = material;
    const texts = pemBlocks(bytes.toString('latin1'))
      .filter(isCertificate)
      .map(({ text }) => text);
    if (texts.length === 0) {
      this.#report.problem(path, `${name} holds no certificate: ${whyNotFound(bytes, 'certificate')}`);
      return undefined;
    }
    const certificates: X509Certificate[] = [];
    for (const [index, text] of texts.entries()) {
      try {
        const certificate = new X509Certificate(text);
        const warning = dateWarning(certificate);
        if (warning !== undefined) {
          this.#report.warn(path, `the certificate for ${nameOf(certificate)} in ${name} ${warning}`);
        }
        certificates.push(certificate);
      } catch (error) {
        const which = texts.length === 1 ? 'the certificate' : `certificate ${index + 1} of ${texts.length}`;
        this.#report.problem(path, `${which} in ${name} is damaged (${opensslReason(error)}); replace it`);
        return undefined;
      }
    }
    return { certificates, texts, name };
  }

  #privateKey(source: PemSource, passphrase: string | undefined, path: string): Key | undefined {
    const field = `${path}.key`;
    const material = this.#sources.read(field, source);
    if (material === undefined) return undefined;
    const { bytes, name } = material;
    const block = pemBlocks(bytes.toString('latin1')).find(isPrivateKey);
    if (block === undefined) {
      this.#report.problem(field, `${name} holds no private key: ${whyNotFound(bytes, 'private key')}`);
      return undefined;
    }
    if (block.label === 'OPENSSH PRIVATE KEY') {
      const cure = 'convert it with ssh-keygen -p -m PKCS8 -f';
      this.#report.problem(field, `${name} holds a key in the format of OpenSSH, which is not that of TLS; ${cure}`);
      return undefined;
    }
    const encrypted = isEncrypted(block);
    if (encrypted && passphrase === undefined) {
      this.#report.problem(`${path}.passphrase`, `is missing: the private key in ${name} is encrypted`);
      return undefined;
    }
    try {
      const key = createPrivateKey(encrypted ? { key: block.text, passphrase } : block.text);
      return { key, text: block.text, encrypted, name };
    } catch (error) {
      if (encrypted) {
        this.#report.problem(
          `${path}.passphrase`,
          `does not decrypt the private key in ${name} (${opensslReason(error)}); give the one it was encrypted with`,
        );
      } else {
        this.#report.problem(field, `the private key in ${name} is damaged (${opensslReason(error)}); replace it`);
      }
      return undefined;
    }
  }

  /** OpenSSL itself takes a certificate with a key of another kind, and fails in every handshake then. */
  #belongTogether(chain: Chain, { key, name }: Key, path: string): boolean {
    const owner = chain.certificates.findIndex((certificate) => certificate.checkPrivateKey(key));
    if (owner === 0) return true;
    const [first] = chain.certificates;
    if (owner > 0) {
      this.#report.problem(
        `${path}.cert`,
        `the certificate that the private key in ${name} belongs to is number ${owner + 1} in ${chain.name}; put it first, and each other one before its issuer`,
      );
    } else {
      const shown = first === undefined ? '' : ` for ${nameOf(first)}`;
      this.#report.problem(
        `${path}.key`,
        `the private key in ${name} is not that of the certificate${shown} in ${chain.name}; give the two that were made together`,
      );
    }
    return false;
  }

  #archive(
    source: string | Uint8Array,
    passphrase: string | undefined,
    path: string,
    common: SecureContextOptions,
  ): Identity | undefined {
    const material = this.#sources.read(`${path}.pfx`, source);
    if (material === undefined) return undefined;
    const options = { pfx: material.bytes, ...(passphrase === undefined ? {} : { passphrase }) };
    try {
      const context = createSecureContext({ ...common, ...options });
      const certificate = certificateOf(context);
      const warning = dateWarning(certificate);
      if (warning !== undefined) {
        this.#report.warn(`${path}.pfx`, `the certificate for ${nameOf(certificate)} in ${material.name} ${warning}`);
      }
      return { certificate, options, context };
    } catch (error) {
      const [field, message] = archiveProblem(material, passphrase, error);
      this.#report.problem(`${path}.${field}`, message);
      return undefined;
    }
  }
}

/** The certificate of a context that was made of an archive, which nothing else in Node.js can open. */
function certificateOf(context: SecureContext): X509Certificate {
  const socket = new TLSSocket(new Duplex({ read() {}, write() {} }), { isServer: true, secureContext: context });
  try {
    const certificate = socket.getX509Certificate();
    if (certificate === undefined) throw new Error('Unable to load certificate from PFX data');
    return certificate;
  } finally {
    socket.destroy();
  }
}

function archiveProblem(
  { bytes, name }: Material,
  passphrase: string | undefined,
  error: unknown,
): [field: 'pfx' | 'passphrase', message: string] {
  const { code, message } = error as NodeJS.ErrnoException;
  if (message === 'mac verify failure') {
    return passphrase === undefined
      ? ['passphrase', `is missing: ${name} is encrypted`]
      : ['passphrase', `does not decrypt ${name}; give the one it was encrypted with`];
  }
  if (code === 'ERR_CRYPTO_UNSUPPORTED_OPERATION' || message.endsWith('::unsupported')) {
    const cure = 'openssl pkcs12 -legacy -in OLD -nodes | openssl pkcs12 -export -out NEW';
    return [
      'pfx',
      `${name} is encrypted in an old way that OpenSSL 3 does not support (RC2-40, say); convert it: ${cure}`,
    ];
  }
  if (isPem(bytes.toString('latin1'))) return ['pfx', `${name} holds PEM text and no archive; give it as cert and key`];
  if (message.startsWith('Unable to load private key'))
    return ['pfx', `${name} holds no private key; export it again, with the key`];
  if (message.startsWith('Unable to load certificate')) {
    return ['pfx', `${name} holds no certificate that goes with its private key; export it again, with both`];
  }
  if (/^ERR_SSL_/.test(code ?? '')) return ['pfx', refusal(name, error)];
  return ['pfx', `${name} is no PKCS#12 archive, or is damaged (${opensslReason(error)})`];
}

/** What OpenSSL has against a certificate that is sound in itself. */
function refusal(name: string, error: unknown): string {
  const reason = opensslReason(error);
  const cure = /key too small/.test(reason)
    ? '; have it made anew, with an elliptic curve or 2 048 bits of RSA'
    : /md too weak/.test(reason)
      ? '; have it signed anew, with SHA-256'
      : '';
  return `OpenSSL refuses the certificate in ${name}: ${reason}${cure}`;
}
