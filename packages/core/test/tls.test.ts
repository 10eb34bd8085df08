import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import {
  bootstrap,
  type Connection,
  lines,
  Module,
  OnConnection,
  OnData,
  Reagent,
  silentLogger,
  start,
} from '@reagent/core';
import { certificates } from '@reagent/testing';
import { describe, expect, it } from 'vitest';

const { ca, server, client } = await certificates();

@Reagent({ port: 0, host: '127.0.0.1', codec: lines() })
class Echo {
  @OnConnection()
  hello(conn: Connection<string>) {
    conn.send(`${conn.secure} ${conn.alpnProtocol} ${conn.serverName} ${conn.peerCertificate()?.subject.CN}`);
  }

  @OnData()
  echo(conn: Connection<string>, line: string) {
    conn.send(line);
  }
}

async function talk(socket: TLSSocket, text: string): Promise<string> {
  let all = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    all += chunk;
  });
  await once(socket, 'secureConnect');
  socket.end(text);
  await once(socket, 'end');
  return all;
}

it('echo over TLS', async () => {
  await using app = await start(
    Echo,
    { secure: { ...server, ca: ca.cert, requestCert: true, alpn: ['echo'] } },
    { logger: silentLogger, signals: false },
  );
  const { port, secure, cert } = app.listener(Echo);
  expect([secure, cert?.subject]).toEqual([true, 'CN=localhost']);
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca: ca.cert,
    ...client,
    ALPNProtocols: ['echo'],
  });
  expect(await talk(socket, 'one\ntwo\nthree')).toBe('true echo localhost client\none\ntwo\nthree\n');
  console.log(JSON.stringify(app.stats().listeners.Echo));
});

describe('starttls', () => {
  @Reagent({ port: 0, host: '127.0.0.1', codec: lines() })
  class Mail {
    @OnData()
    async on(conn: Connection<string>, line: string) {
      if (line !== 'STARTTLS') {
        conn.send(`${conn.secure} ${line}`);
        return;
      }
      conn.send('go ahead');
      await conn.startTls();
      conn.send('welcome');
    }
  }
  it('upgrades', async () => {
    @Module({ reagents: [Mail] })
    class App {}
    await using app = await bootstrap(App, { secure: server, logger: silentLogger, signals: false });
    const { port } = app.listener(Mail);
    const plain = connectPlain(port, '127.0.0.1');
    plain.write('hi\n');
    const [answer] = await once(plain, 'data');
    expect(String(answer)).toBe('false hi\n');
    plain.write('STARTTLS\n');
    const [go] = await once(plain, 'data');
    expect(String(go)).toBe('go ahead\n');
    const socket = connect({ socket: plain, servername: 'localhost', ca: ca.cert });
    expect(await talk(socket, 'one\n')).toBe('welcome\ntrue one\n');
    console.log(JSON.stringify(app.stats().listeners.Mail));
  });
});
