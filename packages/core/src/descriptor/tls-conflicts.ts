// What is wrong with TLS options although each field is right by itself. It is looked for in the input, so that one report has all.

import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { plainName } from '../transport/tls/server-names.js';
import type { TlsVersion } from '../transport/tls/tls-options.js';
import { fieldPath } from './field-path.js';
import type { Finding } from './findings.js';

type Fields = Readonly<Record<string, unknown>>;

const versions: readonly TlsVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];
const defaultMinVersion: TlsVersion = 'TLSv1.2';
const longestHost = 253;

/** Problems of TLS options that concern several fields at once, and the host names in `sni`. */
export function tlsConflicts(input: unknown, root: readonly string[]): Finding[] {
  if (!isObject(input)) return [];
  return [
    ...identityConflicts(input, root),
    ...(isObject(input.sni) ? hostConflicts(input.sni, [...root, 'sni']) : []),
    ...clientConflicts(input, root),
    ...versionConflicts(input, root),
  ];
}

function identityConflicts(input: Fields, root: readonly string[]): Finding[] {
  const isNamed = isObject(input.sni) ? Object.keys(input.sni).length > 0 : input.sni !== undefined;
  if (!isNamed && !['cert', 'key', 'pfx'].some((field) => given(input, field))) {
    const cure = 'give a certificate and its private key';
    return [[fieldPath(...root), `expected cert and key, pfx or sni, received none of them; ${cure}`]];
  }
  return pairConflicts(input, root);
}

/** What is wrong with a certificate and its key, wherever they stand. */
function pairConflicts(input: Fields, root: readonly string[]): Finding[] {
  const at = (field: string) => fieldPath(...root, field);
  const [cert, key, pfx] = ['cert', 'key', 'pfx'].map((field) => given(input, field));
  if (pfx && (cert || key)) {
    const others = cert && key ? 'cert and key' : cert ? 'cert' : 'key';
    return [
      [at('pfx'), `has a certificate and its key in it, and ${others} would be another; keep one and remove the rest`],
    ];
  }
  if (cert && !key) return [[at('key'), 'is missing; give the private key of cert']];
  if (key && !cert) return [[at('cert'), 'is missing; give the certificate of key']];
  if (!pfx && !key && given(input, 'passphrase')) return [[at('passphrase'), 'goes with key or pfx; remove it']];
  return [];
}

function hostConflicts(sni: Fields, root: readonly string[]): Finding[] {
  const first = new Map<string, string>();
  return Object.entries(sni).flatMap(([host, identity]): Finding[] => {
    const path = [...root, host];
    const wrong = hostProblem(host);
    if (wrong !== undefined) return [[fieldPath(...path), wrong]];
    const other = first.get(plainName(host));
    if (other !== undefined) return [[fieldPath(...path), `is the same host as ${other}; keep one of them`]];
    first.set(plainName(host), host);
    if (!isObject(identity)) return [];
    if (!['cert', 'key', 'pfx', 'passphrase'].some((field) => given(identity, field)))
      return [[fieldPath(...path), 'expected cert and key, or pfx, received none of them']];
    return pairConflicts(identity, path);
  });
}

/** Why clients never ask for a host by this name; `undefined` if they do. */
function hostProblem(host: string): string | undefined {
  const name = host.replace(/\.$/, '').replace(/^\*\./, '');
  if (isHostName(name) && isIP(name) === 0) return undefined;
  const cure = "such as 'example.com' or '*.example.com'";
  if (isIP(name) !== 0) {
    return 'is an address, for which clients do not ask by name; give its certificate as cert and key';
  }
  if (host === '*') return 'would be all hosts; give the certificate for those that are not listed as cert and key';
  if (name.includes('*')) return `a wildcard stands for the first label and no part of one: write a host name ${cure}`;
  const ascii = domainToASCII(name);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is about what is not ASCII
  if (/[^\x00-\x7f]/.test(name) && isHostName(ascii)) {
    return `clients ask for it in ASCII: write '${host.replace(name, ascii)}'`;
  }
  return `is no host name; write one ${cure}`;
}

function isHostName(name: string): boolean {
  return name.length <= longestHost && name.split('.').every((label) => /^(?!-)[\w-]{1,63}(?<!-)$/.test(label));
}

function clientConflicts(input: Fields, root: readonly string[]): Finding[] {
  if (!given(input, 'rejectUnauthorized') || input.requestCert === true) return [];
  const message = 'goes with requestCert: true, without which no client shows a certificate; add that, or remove it';
  return [[fieldPath(...root, 'rejectUnauthorized'), message]];
}

function versionConflicts({ minVersion, maxVersion, ciphers }: Fields, root: readonly string[]): Finding[] {
  const most = versions.indexOf(maxVersion as TlsVersion);
  if (most === -1) return [];
  const least = versions.indexOf((minVersion ?? defaultMinVersion) as TlsVersion);
  if (least > most) {
    const found = minVersion === undefined ? `${defaultMinVersion} by default` : minVersion;
    return [
      [
        fieldPath(...root, 'maxVersion'),
        `is ${maxVersion}, older than minVersion, which is ${found}; lower that, or raise this`,
      ],
    ];
  }
  const isNewOnly = typeof ciphers === 'string' && ciphers.split(':').every((cipher) => cipher.startsWith('TLS_'));
  if (isNewOnly && maxVersion !== 'TLSv1.3') {
    return [
      [
        fieldPath(...root, 'ciphers'),
        `are all of TLSv1.3, which maxVersion, ${maxVersion}, excludes; add others, or remove maxVersion`,
      ],
    ];
  }
  return [];
}

function given(input: Fields, field: string): boolean {
  return input[field] !== undefined;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}
