import { createServer, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { Connection, OnClose, OnConnection, OnShutdown, Reagent } from '@reagent/core';
import { Routes } from './routes.js';
import { Visit } from './visit.js';

/** Speaks HTTP with whoever asks for metrics, health or the page: the connections are a reagent's, the protocol is that of `node:http`. */
@Reagent({ name: 'Ops', maxConnections: 100 })
export class OpsEndpoint {
  readonly #http: Server;
  readonly #visits = new WeakMap<Duplex, Visit>();

  constructor(routes: Routes) {
    this.#http = createServer({ keepAliveTimeout: Visit.nextRequestTimeout }, (request, response) => {
      const visit = this.#visits.get(request.socket);
      visit?.requested();
      if (visit?.isLast) response.setHeader('connection', 'close');
      response.once('close', () => visit?.answered());
      void routes.answer(request, response);
    });
    this.#http.on('clientError', (_error, socket) => {
      // By itself it would reset the connection, and the client might not get to see the answer.
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    });
  }

  @OnConnection()
  handle(conn: Connection) {
    this.#visits.set(conn.stream, new Visit(conn));
    this.#http.emit('connection', conn.stream);
  }

  @OnShutdown()
  finish(conn: Connection) {
    this.#visits.get(conn.stream)?.finish();
  }

  @OnClose()
  closed(conn: Connection) {
    this.#visits.get(conn.stream)?.dispose();
  }
}
