import { createSecureContext } from 'node:tls';

/**
 * The parts of a list of ciphers that OpenSSL does not know. It passes over them in silence as long as it knows one of the rest, so that
 * a slip would go unnoticed.
 */
export function unknownCiphers(ciphers: string): string[] {
  // What is removed (! and -) or put last (+) need not exist; @ sets the level of security or the order.
  const wanted = ciphers.split(/[:;, ]+/).filter((part) => /^[^!+@-]/.test(part));
  return [...new Set(wanted)].filter((cipher) => !isKnown(cipher));
}

function isKnown(cipher: string): boolean {
  try {
    // Without certificates of authorities, which take most of the time.
    createSecureContext({ ciphers: cipher, ca: [] });
    return true;
  } catch {
    // That it is not known is all that can be wrong with it.
    return false;
  }
}
