import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { Connection, OnConnection, OnShutdown, Reagent } from '@reagent/core';
import { createTestApp } from '@reagent/testing';
import { Aedes } from 'aedes';
import { connectAsync } from 'mqtt';
import { afterEach, describe, expect, it } from 'vitest';
import { Mailbox } from './support/mailbox.js';

const MEBIBYTE = 1_048_576;

describe('a library on a reagent', () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });

  async function serveHttp(server: Server) {
    @Reagent({ port: 0 })
    class Http {
      @OnConnection()
      handle(conn: Connection) {
        server.emit('connection', conn.stream);
      }

      @OnShutdown()
      stop(conn: Connection) {
        conn.close();
      }
    }

    const app = await createTestApp(Http).start();
    cleanups.push(() => app.stop());
    return app.listener(Http).port;
  }

  it('serves HTTP: requests, bodies, pipelining and keep-alive', async () => {
    const server = createServer(async (request, response) => {
      const hash = createHash('sha256');
      for await (const chunk of request) hash.update(chunk);
      response.setHeader('x-peer', String(request.socket.remoteAddress));
      response.end(`${request.method} ${request.url} ${hash.digest('hex')}`);
    });
    const port = await serveHttp(server);
    const body = Buffer.alloc(3 * MEBIBYTE, 'abc');
    const digest = createHash('sha256').update(body).digest('hex');
    for (const path of ['/one', '/two']) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', body });
      expect(await response.text()).toBe(`POST ${path} ${digest}`);
      expect(response.headers.get('x-peer')).toBe('127.0.0.1');
    }
  });

  it('serves MQTT with aedes: publish, subscribe, and the will of a client that vanishes', async () => {
    const broker = await Aedes.createBroker();
    cleanups.push(() => new Promise<void>((resolve) => broker.close(() => resolve())));

    @Reagent({ port: 0 })
    class Mqtt {
      @OnConnection()
      handle(conn: Connection) {
        broker.handle(conn.stream);
      }
    }

    await using app = await createTestApp(Mqtt).start();
    const url = `mqtt://127.0.0.1:${app.listener(Mqtt).port}`;
    const received = new Mailbox<string>();
    const subscriber = await connectAsync(url);
    subscriber.on('message', (topic, payload) => received.put(`${topic} ${payload}`));
    await subscriber.subscribeAsync('#', { qos: 1 });
    const publisher = await connectAsync(url, {
      reconnectPeriod: 0,
      will: { topic: 'will', payload: Buffer.from('gone'), qos: 1, retain: false },
    });
    await publisher.publishAsync('greeting', 'hello', { qos: 1 });
    expect(await received.take()).toBe('greeting hello');
    publisher.stream.destroy();
    expect(await received.take()).toBe('will gone');
    await publisher.endAsync(true);
    await subscriber.endAsync();
  });
});
