import { Connection, OnData, OnShutdown, Reagent } from '@reagent/core';
import { MessageCounter } from './message-counter.js';

/** Push style: the framework reads, the method answers. */
@Reagent({ port: 8080 })
export class PushEcho {
  constructor(private readonly counter: MessageCounter) {}

  @OnData()
  echo(conn: Connection, data: Buffer) {
    this.counter.count();
    conn.send(data);
  }

  @OnShutdown()
  shutdown(conn: Connection) {
    conn.close();
  }
}
