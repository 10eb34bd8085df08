// An error stays where it is. What becomes of its connection stands in behaviour/errors.test.ts.

import { type Connection, OnAccept, OnConnection, OnData, Reagent } from '@reagent/core';
import { createTestApp, type TestClient } from '@reagent/testing';
import { expect, it } from 'vitest';
import { Gate } from './support/gate.js';
import { leave } from './support/leave.js';
import { until } from './support/until.js';

async function stillServed(client: TestClient): Promise<void> {
  await client.send('still here?');
  await client.receive('still here?');
}

it('an error in a hook of one listener leaves the others alone', async () => {
  @Reagent({ port: 0, name: 'bad' })
  class Bad {
    @OnConnection()
    open() {
      throw new Error('told to');
    }
  }

  @Reagent({ port: 0, name: 'good' })
  class Good {
    @OnData()
    echo(conn: Connection, data: Buffer) {
      conn.send(data);
    }
  }

  await using app = await createTestApp(Good).start();
  await app.application.start(Bad, { port: 0, host: '127.0.0.1' });
  const clients = await Promise.all(Array.from({ length: 20 }, () => app.connect('bad')));
  for (const client of clients) await leave(client);
  await stillServed(await app.connect('good'));
  expect(app.listener('bad').status).toBe('listening');
  expect(app.listener('bad').stats().handlerErrors).toBe(20);
});

it('an OnAccept that rejects after its time limit is no unhandled rejection', async () => {
  const gate = new Gate();

  @Reagent({ port: 0, timeouts: { handshake: 50 } })
  class Late {
    @OnAccept()
    async admit() {
      await gate.passed();
      throw new Error('told to');
    }

    @OnData()
    ignore() {}
  }

  await using app = await createTestApp(Late).start();
  const client = await app.connect(Late);
  expect(await leave(client)).toBe('reset');
  gate.open();
  await app.connect(Late);
  await until(() => app.listener(Late).stats().connections.rejected.accept === 2);
});
