import { Connection, OnData, Reagent } from '@reagent/core';
import { readCertificate } from '../certificate.js';
import { startReagent } from '../reagent-server.js';

@Reagent()
class PushEcho {
  @OnData()
  echo(conn: Connection, data: Buffer) {
    conn.send(data);
  }
}

export const start = () => startReagent(PushEcho, { secure: readCertificate() });
