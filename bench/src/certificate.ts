// The certificate that all servers over TLS show, with a P-256 key: made once for each run, read by each server.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

const file = fileURLToPath(new URL('certificate.json', import.meta.url));

export function keepCertificate({ cert, key }: Certificate): void {
  writeFileSync(file, JSON.stringify({ cert, key }), { mode: 0o600 });
}

export function readCertificate(): Certificate {
  return JSON.parse(readFileSync(file, 'utf8')) as Certificate;
}
