// Keys that session tickets are encrypted with, for processes that serve one port together: a client that comes back may meet another one.

import { createHmac } from 'node:crypto';

let secret: Uint8Array | undefined;

/** From now on, keys of session tickets are derived from a secret that other processes have too. */
export function shareTickets(shared: Uint8Array): void {
  secret = shared;
}

/**
 * The 48 bytes for a server of this process; `undefined` where it has no secret, and OpenSSL makes some up.
 *
 * @param identity what has to be the same for a session of one server to be good for another
 */
export function sharedTicketKeys(identity: readonly string[]): Buffer | undefined {
  if (secret === undefined) return undefined;
  return createHmac('sha384', secret).update(JSON.stringify(identity)).digest();
}
