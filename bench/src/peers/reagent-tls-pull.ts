import { Connection, OnConnection, Reagent } from '@reagent/core';
import { readCertificate } from '../certificate.js';
import { startReagent } from '../reagent-server.js';

@Reagent()
class PullEcho {
  @OnConnection()
  async handle(conn: Connection) {
    for await (const data of conn) conn.send(data);
  }
}

export const start = () => startReagent(PullEcho, { secure: readCertificate() });
