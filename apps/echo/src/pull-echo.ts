import { Connection, OnConnection, OnShutdown, Reagent } from '@reagent/core';
import { MessageCounter } from './message-counter.js';

/** Pull style: the method owns the connection and reads when it wants. When it returns, the connection closes. */
@Reagent({ port: 8081 })
export class PullEcho {
  constructor(private readonly counter: MessageCounter) {}

  @OnConnection()
  async handle(conn: Connection) {
    for await (const data of conn) {
      this.counter.count();
      // A client that sends and never reads is not read from until it has taken what waits for it.
      if (!conn.send(data)) await conn.drained();
    }
  }

  @OnShutdown()
  shutdown(conn: Connection) {
    conn.close();
  }
}
