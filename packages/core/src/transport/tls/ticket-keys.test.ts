import { certificates } from '@reagent/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

const ca = await certificates();

describe('the keys of session tickets', () => {
  // The secret belongs to the process, which other test files run in too.
  beforeAll(() => vi.resetModules());
  afterAll(() => vi.resetModules());

  it('are made up by OpenSSL where no secret is shared', async () => {
    const { loadCredentials } = await import('./credentials.js');
    expect(loadCredentials(ca.server)).not.toHaveProperty('credentials.context.ticketKeys');
  });

  it('follow from a shared secret, the certificate and how clients are checked', async () => {
    const { shareTickets } = await import('./ticket-keys.js');
    const { loadCredentials } = await import('./credentials.js');
    const keysOf = (options: Parameters<typeof loadCredentials>[0]) => {
      const loaded = loadCredentials(options);
      return 'credentials' in loaded ? loaded.credentials.context.ticketKeys?.toString('hex') : undefined;
    };
    shareTickets(Buffer.alloc(32, 1));
    const keys = keysOf(ca.server);
    expect(keys).toHaveLength(2 * 48);
    expect(keysOf(ca.server)).toBe(keys);
    expect(keysOf({ ...ca.server, ca: ca.ca.cert, requestCert: true })).not.toBe(keys);
    expect(keysOf({ ...ca.server, sni: { 'example.com': ca.server } })).not.toBe(keys);
    expect(keysOf(await ca.for('example.com'))).not.toBe(keys);
    expect(keysOf({ ...ca.server, ticketKeys: Buffer.alloc(48, 7) })).toBe('07'.repeat(48));
    shareTickets(Buffer.alloc(32, 2));
    expect(keysOf(ca.server)).not.toBe(keys);
  });
});
