import { Connection, OnData, OnShutdown, Reagent } from '@reagent/core';
import { MessageCounter } from './message-counter.js';

/** Stateful style: one instance per connection, into which the connection itself is injected. Numbers what it answers. */
@Reagent({ port: 8082, scope: 'connection' })
export class SessionEcho {
  #seen = 0;

  constructor(
    private readonly conn: Connection,
    private readonly counter: MessageCounter,
  ) {}

  @OnData()
  echo(conn: Connection, data: Buffer) {
    this.counter.count();
    conn.send(`#${++this.#seen} `);
    conn.send(data);
  }

  @OnShutdown()
  shutdown() {
    this.conn.close();
  }
}
