// The zod schema of TLS options. What concerns several fields at once is in `tls-conflicts.ts`, what is in the files in `transport/tls`.

import { types } from 'node:util';
import * as z from 'zod/mini';
import type { PemSource } from '../transport/tls/tls-options.js';

const TICKET_KEYS_BYTES = 48;
const LONGEST_PROTOCOL = 255;
const LARGEST_SECONDS = 2_147_483_647;

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isBytes(value: unknown): value is Uint8Array {
  return types.isUint8Array(value) && value.length > 0;
}

function flag() {
  return z.optional(z.boolean({ error: 'true or false' }));
}

const pem = z.custom<PemSource>((value) => isText(value) || isBytes(value), {
  error: 'PEM text, bytes or the path of a file',
});

const identity = {
  cert: z.optional(pem),
  key: z.optional(pem),
  passphrase: z.optional(z.custom<string>(isText, { error: 'a text that is not empty' })),
  pfx: z.optional(
    z.custom<string | Uint8Array>((value) => isText(value) || isBytes(value), {
      error: 'a PKCS#12 archive as the path of a file, or bytes',
    }),
  ),
};

const version = z.optional(z.enum(['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'], { error: "'TLSv1.2' or 'TLSv1.3'" }));

const protocol = z.custom<string>((value) => isText(value) && Buffer.byteLength(value) <= LONGEST_PROTOCOL, {
  error: `the name of a protocol, of 1 to ${LONGEST_PROTOCOL} bytes`,
});

const authorities = 'a certificate, or a list of them, as PEM text, bytes or the path of a file';

/** The fields that a certificate and its key have. */
export const identityFields: readonly string[] = Object.keys(identity);

/** The fields in which nothing secret is to be expected, so that a message may show what is in them. */
export const plainTlsFields: readonly string[] = [
  'requestCert',
  'rejectUnauthorized',
  'alpn',
  'ciphers',
  'minVersion',
  'maxVersion',
  'sessionTimeout',
  'watch',
];

/** TLS options, field by field. */
export const tlsSchema = z.strictObject(
  {
    ...identity,
    ca: z.optional(z.union([pem, z.array(pem, { error: authorities }).check(z.minLength(1))], { error: authorities })),
    requestCert: flag(),
    rejectUnauthorized: flag(),
    alpn: z.optional(
      z
        .array(protocol, { error: "a list of protocols such as ['h2', 'http/1.1']" })
        .check(z.minLength(1, { error: 'one protocol at least' })),
    ),
    sni: z.optional(
      z.record(
        z.string(),
        z.strictObject(identity, { error: "a certificate such as { cert: 'server.crt', key: 'server.key' }" }),
        { error: "certificates by host name, such as { 'example.com': { cert, key } }" },
      ),
    ),
    ciphers: z.optional(z.custom<string>(isText, { error: "ciphers in OpenSSL's notation" })),
    minVersion: version,
    maxVersion: version,
    ticketKeys: z.optional(
      z.custom<Uint8Array>((value) => types.isUint8Array(value) && value.length === TICKET_KEYS_BYTES, {
        error: `exactly ${TICKET_KEYS_BYTES} bytes`,
      }),
    ),
    sessionTimeout: z.optional(
      z.int({ error: 'whole seconds, an integer of 1 or more' }).check(z.gte(1), z.lte(LARGEST_SECONDS)),
    ),
    watch: flag(),
  },
  { error: "TLS options such as { cert: 'server.crt', key: 'server.key' }" },
);
