import { isIP } from 'node:net';
import { addressBytes, IPV4_BYTES } from './ip-address.js';

/**
 * Where one's own balancers are mostly found: on the same machine, on the same link, and in the networks that are not reached from
 * outside (RFC 1918, and fc00::/7 of RFC 4193).
 *
 * 100.64.0.0/10 is not among them. Providers put their customers there (RFC 6598), so a neighbour may be anybody; a cloud whose
 * balancers have such addresses documents them, and they can be listed.
 */
export const PRIVATE_NETWORKS: readonly string[] = [
  '127.0.0.0/8',
  '::1',
  '169.254.0.0/16',
  'fe80::/10',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  'fc00::/7',
];

/** How many bits an address has more as IPv6. */
const MAPPED_BITS = 96;

interface Network {
  readonly bytes: Uint8Array;
  /** How many of its bits an address has to share. */
  readonly prefix: number;
}

/**
 * The networks from which a PROXY header is believed.
 *
 * An IPv4 address is the same whether it is written as such or mapped into IPv6 (`::ffff:10.0.0.1`), in the list and in a question. An
 * IPv6 network has no IPv4 address in it, not even `::/0`.
 */
export class TrustedNetworks {
  readonly #networks: readonly Network[];

  /**
   * `networks` are addresses and networks in CIDR notation: `'10.1.2.3'`, `'10.0.0.0/8'`, `'2001:db8::/32'`.
   *
   * @throws RangeError if one of them is neither.
   */
  constructor(networks: readonly string[]) {
    this.#networks = networks.map((text) => {
      const network = parse(text);
      if (typeof network === 'string') throw new RangeError(network);
      return network;
    });
  }

  /** Once a connection. What is no address, such as that of a Unix socket, is in no network. */
  includes(address: string): boolean {
    const bytes = addressBytes(address);
    return bytes !== undefined && this.#networks.some((network) => isWithin(bytes, network));
  }
}

/** What is wrong with an entry of a list of networks, and what to write instead; `undefined` if it is right. */
export function networkProblem(text: string): string | undefined {
  const network = parse(text);
  return typeof network === 'string' ? network : undefined;
}

function isWithin(address: Uint8Array, { bytes, prefix }: Network): boolean {
  if (address.length !== bytes.length) return false;
  const whole = prefix >>> 3;
  for (let i = 0; i < whole; i++) if (address[i] !== bytes[i]) return false;
  const rest = prefix & 7;
  return rest === 0 || ((address[whole] as number) ^ (bytes[whole] as number)) >>> (8 - rest) === 0;
}

/** A network, or what is wrong with it. */
function parse(text: string): Network | string {
  const slash = text.indexOf('/');
  const address = slash === -1 ? text : text.slice(0, slash);
  const shown = JSON.stringify(text);
  if (address.includes('%')) return `${shown} has a zone; leave out ${address.slice(address.indexOf('%'))}`;
  const bytes = addressBytes(address);
  if (bytes === undefined) return `${shown} ${addressProblem(address)}`;
  const bits = 8 * bytes.length;
  if (slash === -1) return { bytes, prefix: bits };

  const prefix = text.slice(slash + 1);
  if (addressBytes(prefix) !== undefined)
    return `${shown} has a mask; write how many bits of it are set: 255.255.255.0 is /24`;
  if (!/^(?:0|[1-9]\d{0,2})$/.test(prefix)) return `${shown} has no number of bits behind its slash, such as /${bits}`;
  const isMapped = bytes.length === IPV4_BYTES && isIP(address) === 6;
  const least = isMapped ? MAPPED_BITS : 0;
  const most = least + bits;
  if (Number(prefix) < least || Number(prefix) > most)
    return `${shown} has to have ${least} to ${most} bits behind its slash, not ${prefix}`;
  return { bytes, prefix: Number(prefix) - least };
}

function addressProblem(address: string): string {
  if (address === '') return 'has no address; write one such as "10.1.2.3" or a network such as "10.0.0.0/8"';
  if (/^[a-z][\w.-]*$/i.test(address)) return 'is a name, and names are not looked up; write its address';
  if (/^[\d.]+$/.test(address)) return 'is no IPv4 address, which has four numbers from 0 to 255, such as "10.1.2.3"';
  return 'is neither an address such as "10.1.2.3" nor a network such as "10.0.0.0/8" or "fd00::/8"';
}
