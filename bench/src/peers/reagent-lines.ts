import { Connection, lines, OnData, Reagent } from '@reagent/core';
import { startReagent } from '../reagent-server.js';

@Reagent({ codec: lines() })
class LineEcho {
  @OnData()
  echo(conn: Connection<string>, line: string) {
    conn.send(line);
  }
}

export const start = () => startReagent(LineEcho);
