import { ReagentError } from '../../errors.js';

/** How many of the bytes that were received an error shows. */
const SHOWN_BYTES = 16;

/** A connection did not begin with a valid PROXY header. The message says what is wrong with it and what to do. */
export class ProxyHeaderError extends ReagentError {
  static {
    // On the prototype, so that the first line of a stack carries it already.
    this.prototype.name = this.name;
  }

  constructor(message: string) {
    super('ERR_REAGENT_PROXY_HEADER', message);
  }
}

/** What comes is no PROXY header, from the first bytes on. */
export function noProxyHeader(received: Uint8Array): ProxyHeaderError {
  const cure =
    received[0] === TLS_HANDSHAKE
      ? 'a client that speaks TLS did not come through the balancer, or send-proxy is not set there'
      : 'send-proxy is not set at the balancer, or the client did not come through it';
  return new ProxyHeaderError(`expected a PROXY header, received ${shownBytes(received)}: ${cure}`);
}

/** How each TLS connection begins. */
const TLS_HANDSHAKE = 0x16;

/** The first bytes of what was received, so that no log is confused by them. */
export function shownBytes(bytes: Uint8Array, most = SHOWN_BYTES): string {
  const begin = Array.from(bytes.subarray(0, most), shownByte).join('');
  return `'${begin}${bytes.length > most ? '…' : ''}'`;
}

function shownByte(byte: number): string {
  const character = String.fromCharCode(byte);
  if (character === '\r') return '\\r';
  if (character === '\n') return '\\n';
  const isPlain = byte >= 0x20 && byte < 0x7f && character !== "'" && character !== '\\';
  return isPlain ? character : `\\x${byte.toString(16).padStart(2, '0')}`;
}
