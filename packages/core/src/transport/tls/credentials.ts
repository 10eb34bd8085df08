// From the files, texts and bytes that TLS options name to what node:tls works with.

import { constants, createHash, type X509Certificate } from 'node:crypto';
import { createSecureContext, DEFAULT_MIN_VERSION, type SecureContext, type SecureContextOptions } from 'node:tls';
import { fieldPath } from '../../descriptor/field-path.js';
import { hostWarning, nameOf } from './certificate-checks.js';
import type { FileStates } from './certificate-files.js';
import { unknownCiphers } from './ciphers.js';
import { IdentityReader } from './identity.js';
import { ServerNames } from './server-names.js';
import { asBuffer, Sources } from './sources.js';
import { sharedTicketKeys } from './ticket-keys.js';
import type { PemSource, TlsOptions, TlsVersion } from './tls-options.js';
import { opensslReason, type TlsProblem, TlsReport } from './tls-report.js';

/** What is shown to clients that ask for a certain name. */
export interface NamedCredentials {
  readonly context: SecureContext;
  readonly certificate: X509Certificate;
}

/** All that TLS options name, read and checked. */
export interface Credentials {
  /**
   * Ready for `tls.createServer`, `server.setSecureContext` and `tls.createSecureContext`. Without a default certificate, a handshake
   * with nothing but these is refused.
   */
  readonly context: SecureContextOptions;
  /** The default certificate; `undefined` where there is only `sni`. */
  readonly certificate: X509Certificate | undefined;
  /** By host name, as in `sni`. */
  readonly serverNames: ServerNames<NamedCredentials>;
  /** The files that were read, as they were then. */
  readonly files: FileStates;
  /**
   * What works, but deserves a look: a certificate that has expired, is not valid yet, or expires within 14 days (or, if that is less,
   * the last fifth of its time); one that is shown for a host that it does not name, or that Node.js may not show; a chain that is out
   * of order; ciphers that are not known; versions of TLS that OpenSSL will not speak; clients that any public authority may vouch for.
   */
  readonly warnings: readonly TlsProblem[];
}

/**
 * Reads and checks the certificates and keys that TLS options name, which have been checked by `checkTlsOptions`.
 *
 * It reads files, synchronously, and throws nothing: what is wrong is a problem that says in which field and file, and what to do. None
 * of them repeats anything that is secret.
 *
 * @param where what the paths of problems begin with
 */
export function loadCredentials(
  options: TlsOptions,
  where = 'secure',
): { credentials: Credentials } | { problems: TlsProblem[] } {
  const report = new TlsReport();
  const sources = new Sources(report);
  const reader = new IdentityReader(sources, report);
  const common = commonOptions(options, where, reader, report);
  const identity = reader.read(options, where, common);
  const named = Object.entries(options.sni ?? {}).flatMap(([host, source]) => {
    const path = fieldPath(where, 'sni', host);
    const { certificate, context } = reader.read(source, path, common) ?? {};
    if (certificate === undefined || context === undefined) return [];
    const warning = hostWarning(certificate, host);
    if (warning !== undefined) report.warn(path, `the certificate for ${nameOf(certificate)} ${warning}`);
    const mixed = mixedKeysWarning(certificate, identity?.certificate);
    if (mixed !== undefined) report.warn(path, mixed);
    return [[host, { certificate, context }] as const];
  });
  if (report.problems.length > 0) return { problems: report.problems };
  const certificates = [identity, ...named.map(([, name]) => name)].map((of) => of?.certificate.fingerprint256 ?? '');
  const ticketKeys = common.ticketKeys ?? sharedTicketKeys([common.sessionIdContext ?? '', ...certificates]);
  const credentials = {
    context: { ...common, ...identity?.options, ...(ticketKeys === undefined ? {} : { ticketKeys }) },
    certificate: identity?.certificate,
    serverNames: new ServerNames(named),
    files: sources.files,
    warnings: report.warnings,
  };
  return { credentials };
}

/** What all certificates of a listener have in common, the default one and those for certain names. */
function commonOptions(
  options: TlsOptions,
  where: string,
  reader: IdentityReader,
  report: TlsReport,
): SecureContextOptions {
  const { ciphers, minVersion, maxVersion, ticketKeys, sessionTimeout } = options;
  const ca = authorities(options, where, reader, report);
  const common: SecureContextOptions = {
    honorCipherOrder: true,
    // A client could make the server repeat the costly part of a handshake as often as it likes.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION ?? 0,
    // Whoever starts Node.js may ask for a newer version by default, but not for an older one.
    minVersion: minVersion ?? (DEFAULT_MIN_VERSION === 'TLSv1.3' ? 'TLSv1.3' : 'TLSv1.2'),
    ...(maxVersion === undefined ? {} : { maxVersion }),
    ...(ca === undefined ? {} : { ca }),
    sessionIdContext: sessionIdContext(options, ca),
    ...(ticketKeys === undefined ? {} : { ticketKeys: asBuffer(ticketKeys) }),
    ...(sessionTimeout === undefined ? {} : { sessionTimeout }),
  };
  checkVersions(options, where, report);
  if (ciphers === undefined || !checkCiphers(ciphers, `${where}.ciphers`, report)) return common;
  return { ...common, ciphers };
}

/** The first major version of Node.js that can change from a certificate to one with another kind of key. */
const MIXED_KEYS_SINCE = 24;

/** Older ones add the certificate for a name to the default one: the client chooses between them, and may well choose the default one. */
function mixedKeysWarning(certificate: X509Certificate, preset: X509Certificate | undefined): string | undefined {
  if (preset === undefined || Number.parseInt(process.versions.node, 10) >= MIXED_KEYS_SINCE) return undefined;
  const [own, other] = [certificate.publicKey.asymmetricKeyType, preset.publicKey.asymmetricKeyType];
  if (own === other) return undefined;
  return `its key is of the kind ${own} and that of the default certificate ${other}, so that Node.js before version ${MIXED_KEYS_SINCE} may show the default one; use keys of one kind, or list all hosts in sni and leave out cert`;
}

function authorities(
  { ca, requestCert, rejectUnauthorized }: TlsOptions,
  where: string,
  reader: IdentityReader,
  report: TlsReport,
): string[] | undefined {
  if (ca !== undefined) {
    return isList(ca)
      ? ca.flatMap((source, index) => [...(reader.certificates(source, `${where}.ca.${index}`)?.texts ?? [])])
      : [...(reader.certificates(ca, `${where}.ca`)?.texts ?? [])];
  }
  // Nobody is checked: the public authorities would take some milliseconds to load, and do nothing.
  if (requestCert !== true) return [];
  if (rejectUnauthorized !== false) {
    report.warn(
      `${where}.ca`,
      'is missing, so clients with a certificate of any public authority are accepted; give your own',
    );
  }
  return undefined;
}

function isList(ca: PemSource | readonly PemSource[]): ca is readonly PemSource[] {
  return Array.isArray(ca);
}

/**
 * A session is resumed only where clients are checked in the same way: with shared `ticketKeys`, one that was begun without a
 * certificate would else be good for a listener that requires one, and one that an authority vouched for would outlive its dismissal.
 */
function sessionIdContext({ requestCert, rejectUnauthorized }: TlsOptions, ca: readonly string[] = []): string {
  const checks = JSON.stringify(['reagent', requestCert === true, rejectUnauthorized !== false, ca]);
  // OpenSSL takes 32 bytes.
  return createHash('sha256').update(checks).digest('hex').slice(0, 32);
}

function checkCiphers(ciphers: string, path: string, report: TlsReport): boolean {
  try {
    createSecureContext({ ciphers, ca: [] });
  } catch (error) {
    const cure = 'tls.getCiphers() lists them; here their names are written in capitals';
    report.problem(path, `OpenSSL cannot use '${ciphers}' (${opensslReason(error)}); ${cure}`);
    return false;
  }
  for (const cipher of unknownCiphers(ciphers)) {
    report.warn(path, `OpenSSL knows no cipher '${cipher}' and passes over it; check its name`);
  }
  return true;
}

const oldVersions: readonly (TlsVersion | undefined)[] = ['TLSv1', 'TLSv1.1'];

function checkVersions({ minVersion, maxVersion, ciphers = '' }: TlsOptions, where: string, report: TlsReport): void {
  if (!oldVersions.includes(minVersion) || ciphers.includes('@SECLEVEL=0')) return;
  const message = `OpenSSL speaks nothing older than TLSv1.2 unless ciphers ends with '@SECLEVEL=0', such as 'DEFAULT:@SECLEVEL=0'; add that, or use TLSv1.2`;
  if (oldVersions.includes(maxVersion)) report.problem(`${where}.maxVersion`, message);
  else report.warn(`${where}.minVersion`, message);
}
