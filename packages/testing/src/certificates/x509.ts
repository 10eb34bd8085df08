// Writes X.509 certificates (RFC 5280) of the few kinds that tests need. Libraries for it take several times longer to load than a
// test file takes to run, and what is needed of them is to put some values in order: keys and signatures come from OpenSSL.

import { createHash, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import {
  bitString,
  bits,
  boolean,
  explicit,
  implicit,
  objectIdentifier,
  octetString,
  sequence,
  set,
  time,
  unsignedInteger,
  utf8String,
} from './der.js';

/** Whose certificate it is to be, and what for. */
export interface Subject {
  readonly commonName: string;
  /** A P-256 or RSA key. */
  readonly key: KeyObject;
  /** Names and addresses that it is valid for. */
  readonly hosts: readonly string[];
  readonly usages: readonly CertificateUsage[];
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** May issue certificates itself. */
  readonly authority: boolean;
}

/** Who signs: the subject itself for one that is self-signed. */
export interface Issuer {
  readonly commonName: string;
  /** A P-256 key. */
  readonly key: KeyObject;
}

/** `'server'` proves who a server is, `'client'` who a client is. */
export type CertificateUsage = 'server' | 'client';

const VERSION_3 = 2;
const SERIAL_BYTES = 16;
const KEY_IDENTIFIER_BYTES = 20;

const ECDSA_WITH_SHA256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'));
const COMMON_NAME = objectIdentifier('2.5.4.3');
const USAGES: Readonly<Record<CertificateUsage, Buffer>> = {
  server: objectIdentifier('1.3.6.1.5.5.7.3.1'),
  client: objectIdentifier('1.3.6.1.5.5.7.3.2'),
};

// Places in the bit string of a key usage.
const DIGITAL_SIGNATURE = 0;
const KEY_ENCIPHERMENT = 2;
const KEY_CERT_SIGN = 5;
const CRL_SIGN = 6;

/** A signed certificate as PEM text, with a serial number that no other one has. */
export function issueCertificate(subject: Subject, issuer: Issuer): string {
  const unsigned = sequence(
    explicit(0, unsignedInteger(Buffer.from([VERSION_3]))),
    unsignedInteger(randomBytes(SERIAL_BYTES)),
    ECDSA_WITH_SHA256,
    name(issuer.commonName),
    sequence(time(subject.notBefore), time(subject.notAfter)),
    name(subject.commonName),
    publicKeyInfo(subject.key),
    explicit(3, sequence(...extensions(subject, issuer))),
  );
  const signature = sign('sha256', unsigned, issuer.key);
  return pem('CERTIFICATE', sequence(unsigned, ECDSA_WITH_SHA256, bitString(signature)));
}

function name(commonName: string): Buffer {
  return sequence(set(sequence(COMMON_NAME, utf8String(commonName))));
}

function extensions({ authority, key, usages, hosts }: Subject, issuer: Issuer): Buffer[] {
  const list = [
    extension('2.5.29.19', 'critical', authority ? sequence(boolean(true)) : sequence()),
    extension('2.5.29.15', 'critical', bits(...keyUsages(authority, key))),
    extension('2.5.29.14', 'optional', octetString(keyIdentifier(key))),
    extension('2.5.29.35', 'optional', sequence(implicit(0, keyIdentifier(issuer.key)))),
  ];
  if (usages.length > 0) {
    list.push(extension('2.5.29.37', 'optional', sequence(...usages.map((usage) => USAGES[usage]))));
  }
  if (hosts.length > 0) list.push(extension('2.5.29.17', 'optional', sequence(...hosts.map(alternativeName))));
  return list;
}

function extension(identifier: string, weight: 'critical' | 'optional', value: Buffer): Buffer {
  const critical = weight === 'critical' ? [boolean(true)] : [];
  return sequence(objectIdentifier(identifier), ...critical, octetString(value));
}

function keyUsages(authority: boolean, key: KeyObject): number[] {
  const usages = [DIGITAL_SIGNATURE];
  // Cipher suites of TLS 1.2 without key agreement encrypt to an RSA key.
  if (key.asymmetricKeyType === 'rsa') usages.push(KEY_ENCIPHERMENT);
  if (authority) usages.push(KEY_CERT_SIGN, CRL_SIGN);
  return usages;
}

function keyIdentifier(key: KeyObject): Buffer {
  // Any digest will do that tells keys apart (RFC 7093).
  return createHash('sha256').update(publicKeyInfo(key)).digest().subarray(0, KEY_IDENTIFIER_BYTES);
}

function publicKeyInfo(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: 'spki', format: 'der' });
}

function alternativeName(host: string): Buffer {
  if (isIPv4(host)) return implicit(7, Buffer.from(host.split('.').map(Number)));
  if (isIPv6(host)) return implicit(7, ipv6Bytes(host));
  return implicit(2, Buffer.from(host));
}

function ipv6Bytes(address: string): Buffer {
  // A URL has it in one form only: no leading zeros, no dotted part, at most one gap.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [before = [], after = []] = canonical
    .split('::')
    .map((part) => part.split(':').filter((group) => group !== ''));
  const gap = new Array<string>(8 - before.length - after.length).fill('0');
  return Buffer.from([...before, ...gap, ...after].map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
