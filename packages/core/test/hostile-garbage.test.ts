// Clients that speak something else than the listener does, and clients that speak TLS only to be a burden.

import { once } from 'node:events';
import { connect } from 'node:tls';
import { type Connection, lines, OnData, proxyHeader, Reagent } from '@reagent/core';
import { clientHello, type TestClient } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { counted } from './support/counted.js';
import { fronts, type Stage, secureFront, stages } from './support/fronts.js';
import { leave } from './support/leave.js';
import { type Outcome, Scene } from './support/scene.js';

// Node.js 20 does not notice that a TLS client is gone that has reset right behind its handshake; that nothing is taken ends it then.
@Reagent({ port: 0, codec: lines(), timeouts: { send: 2_000 } })
class Echo {
  @OnData()
  echo(conn: Connection<string>, line: string) {
    conn.send(line);
  }
}

const source = { address: '198.51.100.66', port: 50_000 };
const header = proxyHeader({ version: 2, source, destination: source });

/** Bytes without a pattern, always the same. */
function noise(length: number): Buffer {
  let state = 4_711;
  return Buffer.from(
    Array.from({ length }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state >>> 24;
    }),
  );
}

interface Garbage {
  readonly bytes: string | Uint8Array;
  /** What it is after all. Default: nothing that is known. */
  readonly is?: 'a header' | 'half a header' | 'half a handshake' | 'a line too long';
}

const garbage: readonly Garbage[] = [
  { bytes: noise(1_000) },
  { bytes: Buffer.alloc(1_000) },
  { bytes: Buffer.alloc(1_000, 0xff) },
  { bytes: 'GET / HTTP/1.1\r\nHost: example.com\r\n\r\n' },
  { bytes: 'SSH-2.0-OpenSSH_9.2\r\n' },
  { bytes: '\n'.repeat(1_000) },
  { bytes: 'x'.repeat(1_000_000), is: 'a line too long' },
  { bytes: await clientHello(), is: 'half a handshake' },
  { bytes: await clientHello({ maxVersion: 'TLSv1.2' }), is: 'half a handshake' },
  // A hundred empty records of a handshake, and as many alerts that are warnings only.
  { bytes: Buffer.from('1603010000'.repeat(100), 'hex') },
  { bytes: Buffer.from('150301000201ff'.repeat(100), 'hex') },
  // A ClientHello that says that it has 16 MB.
  { bytes: Buffer.from('16030140000100ffffff0303', 'hex'), is: 'half a handshake' },
  { bytes: header, is: 'a header' },
  { bytes: 'PROXY UNKNOWN\r\n', is: 'a header' },
  { bytes: header.subarray(0, 20), is: 'half a header' },
  { bytes: `PROXY TCP4 ${'1'.repeat(1_000)}` },
  { bytes: 'PROXY TCP4 127.0.0.1 127.0.0.1 99999 1\r\n' },
  // A header of version 3, and one that is longer than any may be.
  { bytes: Buffer.concat([header.subarray(0, 12), Buffer.from('3111000c', 'hex'), header.subarray(16)]) },
  {
    bytes: Buffer.concat([header.subarray(0, 12), Buffer.from('2111ffff', 'hex'), Buffer.alloc(70_000)]),
    is: 'a line too long',
  },
];

function are(what: Garbage['is']): number {
  return garbage.filter(({ is }) => is === what).length;
}

/** What becomes of all of it at a stage. A header is one at its stage, and a client that sends nothing behind it. */
function fates(stage: Stage, isSecure: boolean): Outcome {
  const all = garbage.length;
  if (stage === 'connection') {
    return { closed: { error: are('a line too long'), client: all - are('a line too long') } };
  }
  if (stage === 'handshake') return { rejected: { handshake: all } };
  const rejected = { client: are('half a header'), proxyHeader: all - are('half a header') - are('a header') };
  if (isSecure) return { rejected: { ...rejected, handshake: are('a header') } };
  return { rejected, closed: { client: are('a header') } };
}

/** Says what it has to say, and waits for the end. */
async function babble(client: TestClient, bytes: string | Uint8Array): Promise<void> {
  // The server may have had enough before.
  await client.write(bytes).catch(() => {});
  await client.end().catch(() => {});
  await leave(client);
}

describe.each(stages)('in $where', ({ front, stage }) => {
  it('clients that send garbage are refused or answered, each for itself', async () => {
    await using scene = await Scene.open(front, Echo);
    const clients = await scene.crowd(garbage.length, stage);
    const babbling = clients.map((client, index) => babble(client, garbage[index]?.bytes ?? ''));
    await scene.honestAreServedDuring(Promise.all(babbling));
    await scene.othersAreGone();
    // Which it is of those, OpenSSL tells in other words from one version to the next.
    const failed = counted(scene.listener.stats().tls.failed);
    const outcome = fates(stage, front.isSecure);
    const sum = Object.values(failed).reduce((total, count) => total + count, 0);
    expect(sum).toBe(outcome.rejected?.handshake ?? 0);
    await scene.isOver({ ...outcome, failed });
  });

  it('clients that cut their garbage off with a reset disturb nobody', async () => {
    await using scene = await Scene.open(front, Echo);
    const clients = await scene.crowd(garbage.length, stage);
    await scene.honestAreServedDuring(
      Promise.all(
        clients.map(async (client, index) => {
          await client.write(garbage[index]?.bytes ?? '').catch(() => {});
          client.reset();
        }),
      ),
    );
    await scene.othersAreGone();
    await scene.honestAreServed();
    await scene.othersAreGone();
    const { accepted, rejected, closed } = scene.listener.stats().connections;
    const sum = [...Object.values(rejected), ...Object.values(closed)].reduce((total, count) => total + count, 0);
    // The one that stays is still there.
    expect(sum).toBe(accepted - 1);
  });
});

describe('at a TLS listener', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'clients that leave when the server has done its part of the handshake disturb nobody, over %s',
    async (maxVersion) => {
      await using scene = await Scene.open(secureFront, Echo);
      const hello = await clientHello({ maxVersion });
      const count = 100;
      await scene.honestAreServedDuring(
        Promise.all(
          Array.from({ length: count }, async () => {
            const client = await scene.come('handshake');
            await client.write(hello);
            await client.receive(5);
            client.reset();
          }),
        ),
      );
      await scene.isOver({ rejected: { handshake: count }, failed: { client: count } });
    },
  );

  it('clients that renegotiate over and over get no other handshake, and disturb nobody', async () => {
    await using scene = await Scene.open(secureFront, Echo);
    const count = 10;
    await scene.honestAreServedDuring(
      Promise.all(
        Array.from({ length: count }, async () => {
          const client = connect({ port: scene.listener.port, maxVersion: 'TLSv1.2', rejectUnauthorized: false });
          const closed = new Promise((resolve) => client.once('close', resolve).on('error', () => {}));
          client.setMaxListeners(Infinity);
          await once(client, 'secureConnect');
          for (let attempts = 0; attempts < 100 && !client.destroyed; attempts += 1) client.renegotiate({}, () => {});
          await closed;
        }),
      ),
    );
    await scene.othersAreGone();
    const { tls, connections } = scene.listener.stats();
    expect(tls.handshakes).toBe(connections.accepted);
    expect(counted(tls.failed)).toEqual({});
    // A client that is refused it gives up with an alert.
    await scene.isOver({ closed: { error: count } });
  });

  it('clients that offer more protocols than fit into a record are served like others', async () => {
    await using scene = await Scene.open(secureFront, Echo);
    const alpn = Array.from({ length: 200 }, (_, index) => `${index}`.padEnd(250, 'x'));
    for (let count = 0; count < 10; count += 1) {
      const client = await scene.come('connection', { secure: { alpn } });
      await client.send('hello\n');
      await client.receive('hello\n');
      await client.end();
      await leave(client);
    }
    await scene.isOver({ closed: { client: 10 } });
  });
});

describe.each(fronts)('at a $name listener', (front) => {
  it('a client that sends a hundred thousand lines at once gets its answers, and keeps nobody waiting', async () => {
    await using scene = await Scene.open(front, Echo);
    const client = await scene.come();
    const text = '\n'.repeat(100_000);
    const talking = client.send(text).then(() => client.receive(text));
    await scene.honestAreServedDuring(talking);
    await client.end();
    await leave(client);
    await scene.isOver({ closed: { client: 1 } });
  });
});
