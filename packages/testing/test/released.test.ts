import { type Connection, OnData, Reagent } from '@reagent/core';
import { createTestApp } from '@reagent/testing';
import { expect, it } from 'vitest';

it('a timer that has nothing of a connection does not hold it, though a hook has started it', async () => {
  let timer: NodeJS.Timeout | undefined;

  @Reagent({ port: 0 })
  class Lazy {
    @OnData()
    answer(conn: Connection, data: Buffer) {
      timer = lateTimer();
      conn.send(data);
    }
  }

  await using app = await createTestApp(Lazy).start();
  const client = await app.connect(Lazy);
  await client.send('hello');
  await client.receive('hello');
  await client.end();
  await client.closed();
  await app.expectReleased();
  expect(timer?.hasRef()).toBe(true);
  clearTimeout(timer);
});

function lateTimer(): NodeJS.Timeout {
  return setTimeout(() => {}, 60_000);
}
