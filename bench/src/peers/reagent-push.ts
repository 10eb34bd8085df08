import { Connection, OnData, Reagent } from '@reagent/core';
import { startReagent } from '../reagent-server.js';

@Reagent()
export class PushEcho {
  @OnData()
  echo(conn: Connection, data: Buffer) {
    conn.send(data);
  }
}

export const start = () => startReagent(PushEcho);
