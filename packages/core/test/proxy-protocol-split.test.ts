// A header arrives in any pieces, and what follows it in the same segment or a later one.

import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectSecure } from 'node:tls';
import { proxyHeader } from '@reagent/core';
import { certificates, everySplit } from '@reagent/testing';
import { describe, expect, it } from 'vitest';
import { Behind, behind, greeting, nothingIsLeft } from './support/behind.js';
import { ServerSockets } from './support/server-sockets.js';
import { TemporaryDirectory } from './support/temporary-directory.js';
import { until } from './support/until.js';

const source = { address: '2001:db8::7', port: 4711 };
const destination = { address: '2001:db8::1', port: 443 };
const ends = greeting(source, destination);

const version1 = proxyHeader({ version: 1, source, destination });
const version2 = proxyHeader({ source, destination, alpn: 'chat', uniqueId: 'one', checksum: true });

/** Places to cut a ClientHello at, which has a few hundred bytes: around the ends of its two headers, and further on. */
const INSIDE_HELLO = [1, 5, 6, 9, 60, 150];

describe.each([
  ['version 1', version1],
  ['version 2', version2],
])('a header of %s, split at every byte,', (_, header) => {
  describe.each(['TCP', 'Unix'] as const)('over %s', (transport) => {
    it('is read, and what follows it at once is the beginning of the input', async () => {
      await using directory = await TemporaryDirectory.make();
      await using app = await behind(transport === 'TCP' ? {} : { path: directory.at('behind.sock') }).start();
      await everySplit(Buffer.concat([header, Buffer.from('one\ntwo\n')]), async ({ send }) => {
        const client = await app.connect(Behind);
        await send(client);
        await client.receive(`${ends}\none\ntwo\n`);
        client.destroy();
      });
      await nothingIsLeft(app);
    });

    it('and followed by a FIN, is answered before ours', async () => {
      await using directory = await TemporaryDirectory.make();
      await using app = await behind(transport === 'TCP' ? {} : { path: directory.at('behind.sock') }).start();
      for (const data of ['', 'one\n']) {
        await everySplit(Buffer.concat([header, Buffer.from(data)]), async ({ send }) => {
          const client = await app.connect(Behind);
          await send(client);
          await client.end();
          await client.receive(`${ends}\n${data}`);
          expect(await client.closed()).toBe('end');
        });
      }
      await nothingIsLeft(app);
      expect(new Set(app.resolve(Behind).closed.all.map(({ kind }) => kind))).toEqual(new Set(['client']));
    });
  });

  it('and followed by a TLS handshake, is read before it', async () => {
    const { server, ca } = await certificates();
    await using app = await behind({ secure: server }).start();
    await everySplit(header, async ({ send }) => {
      const client = await app.connect(Behind, { secure: false });
      await send(client);
      await client.startTls({ ca: ca.cert, servername: 'localhost' });
      await client.write('one\n');
      await client.receive(`${ends}\none\n`);
      client.destroy();
    });
    await nothingIsLeft(app);
  });

  it('is read where the ClientHello begins in the same segment', async () => {
    const { server, ca } = await certificates();
    await using app = await behind({ secure: server }).start();
    const { length } = header;
    for (const cut of [1, length - 1, length, ...INSIDE_HELLO.map((place) => length + place), Infinity]) {
      using sockets = new ServerSockets();
      const carrier = connect(app.listener(Behind).port, '127.0.0.1');
      const isRead = (bytes: number) => until(() => (sockets.all[0]?.bytesRead ?? 0) >= bytes);
      const socket = connectSecure({
        socket: headedBy(header, carrier, cut, isRead),
        ca: ca.cert,
        servername: 'localhost',
      });
      socket.write('one\n');
      let received = '';
      for await (const chunk of socket) {
        received += String(chunk);
        if (received.endsWith('one\n')) break;
      }
      expect(received).toBe(`${ends}\none\n`);
      carrier.destroy();
    }
    await nothingIsLeft(app);
  });
});

/**
 * What carries a TLS client that sends a header before it. The first bytes of the client go into one segment with the header, up to
 * `cut`; the rest follows when that has been read.
 */
function headedBy(header: Buffer, carrier: Socket, cut: number, isRead: (bytes: number) => Promise<void>): Duplex {
  let began = false;
  const joined = new Duplex({
    read() {},
    write(bytes: Buffer, _encoding, done) {
      if (began) {
        carrier.write(bytes, done);
        return;
      }
      began = true;
      const first = Buffer.concat([header, bytes]);
      carrier.write(first.subarray(0, cut));
      isRead(Math.min(cut, first.length)).then(() => carrier.write(first.subarray(cut), done), done);
    },
  });
  carrier.on('data', (chunk) => joined.push(chunk));
  return joined;
}
