import { Connection, OnData, Reagent } from '@reagent/core';
import { work } from '../work.js';

/** An echo whose handler has something to do. */
@Reagent()
export class BusyEcho {
  @OnData()
  echo(conn: Connection, data: Buffer) {
    work();
    conn.send(data);
  }
}
