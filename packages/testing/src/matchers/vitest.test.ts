import '@reagent/testing/vitest';
import { type Connection, OnConnection, OnData, Reagent } from '@reagent/core';
import { createTestApp, type TestClient } from '@reagent/testing';
import { expect, it } from 'vitest';

/** Greets, and does what it is told. */
@Reagent({ port: 0 })
class Obedient {
  @OnConnection()
  greet(conn: Connection) {
    conn.send('hello\n');
  }

  @OnData()
  obey(conn: Connection, data: Buffer) {
    const command = data.toString();
    if (command === 'close') conn.close();
    else if (command === 'reset') conn.reset();
    else conn.send(data);
  }
}

async function failureOf(assertion: Promise<unknown>): Promise<Error> {
  const error = await assertion.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(Error);
  return error as Error;
}

it('toHaveReceived waits for what comes next, and takes it', async () => {
  await using app = await createTestApp(Obedient).start();
  const client = await app.connect(Obedient);
  await expect(client).toHaveReceived('hello\n');
  await client.send('one two\n');
  await expect(client).toHaveReceived(Buffer.from('one'));
  await expect(client).toHaveReceived(/t.o\n/);
});

it('toHaveReceived fails with the message of the client, at the line of the test', async () => {
  await using app = await createTestApp(Obedient).start();
  const client = await app.connect(Obedient);
  const other = await failureOf(expect(client).toHaveReceived('help!\n'));
  expect(other.message).toContain('expected the next bytes to be "help!\\n", but something else arrived at byte 3');
  expect(other.message).toContain('"hello\\n"');
  expect(other.stack).toContain('vitest.test.ts');
  const late = await failureOf(expect(client, 'the second line').toHaveReceived(/second/, { timeout: 5 }));
  expect(late.message).toMatch(/^the second line: expected text that matches \/second\/, but not within 5 ms/);
});

it('not.toHaveReceived looks at all that has arrived so far, taken or not, and takes nothing', async () => {
  await using app = await createTestApp(Obedient, { timeout: 60_000 }).start();
  const client = await app.connect(Obedient);
  await client.receive('hel');
  await expect(client).not.toHaveReceived('help');
  await expect(client).not.toHaveReceived(/h.{8}/);
  const error = await failureOf(expect(client).not.toHaveReceived('ello'));
  expect(error.message).toContain('expected the client not to have received "ello", but it did\n  text "hello\\n"');
  await failureOf(expect(client).not.toHaveReceived(/l+/));
  await failureOf(expect(client).not.toHaveReceived(Buffer.from('h')));
  await client.receive('lo\n');
});

it('toHaveReceivedNothing tells whether anything has arrived so far', async () => {
  @Reagent({ port: 0 })
  class Silent {
    @OnData()
    hear() {}
  }

  await using silent = await createTestApp(Silent).start();
  const client = await silent.connect(Silent);
  expect(client).toHaveReceivedNothing();
  expect(() => expect(client).not.toHaveReceivedNothing()).toThrow('expected the client to have received something');

  await using app = await createTestApp(Obedient).start();
  const greeted = await app.connect(Obedient);
  await greeted.receive('hello\n');
  expect(greeted).not.toHaveReceivedNothing();
  expect(() => expect(greeted).toHaveReceivedNothing()).toThrow(
    'expected the client to have received nothing, but it did\n  text "hello\\n"',
  );
});

it('toBeClosedBy waits for the end, and tells whose it was', async () => {
  await using app = await createTestApp(Obedient).start();
  const [first, second, third] = await Promise.all([1, 2, 3].map(() => app.connect(Obedient)));
  if (first === undefined || second === undefined || third === undefined) throw new Error('there are three');
  await first.send('close');
  await expect(first).toBeClosedBy('server');
  await second.send('reset');
  await expect(second).toBeClosedBy('reset');
  third.destroy();
  await expect(third).toBeClosedBy('client');
});

it('toBeClosedBy fails with what happened instead', async () => {
  await using app = await createTestApp(Obedient).start();
  const client = await app.connect(Obedient);
  const open = await failureOf(expect(client).toBeClosedBy('server', { timeout: 5 }));
  expect(open.message).toContain('expected the connection to be closed, but not within 5 ms');
  await client.send('reset');
  const reset = await failureOf(expect(client).toBeClosedBy('server'));
  expect(reset.message).toContain('to be closed by the server, but the server reset it\n  transcript:\n');
  expect(reset.message).toContain('received reset');
  await expect(expect(client).toBeClosedBy('end' as 'server')).rejects.toThrow(TypeError);
});

it('not.toBeClosedBy and toBeOpen look at how things are now', async () => {
  await using app = await createTestApp(Obedient, { timeout: 60_000 }).start();
  const client = await app.connect(Obedient);
  await expect(client).toBeOpen();
  await expect(client).not.toBeClosedBy('server');
  expect((await failureOf(expect(client).not.toBeOpen())).message).toContain('but it is open');
  await client.send('close');
  await client.closed();
  await expect(client).not.toBeOpen();
  await expect(client).not.toBeClosedBy('reset');
  expect((await failureOf(expect(client).toBeOpen())).message).toContain('to be open, but the server ended it');
  const error = await failureOf(expect(client).not.toBeClosedBy('server'));
  expect(error.message).toContain('not to be closed by the server, but the server ended it');
});

it('what is no client is refused', async () => {
  const wrong = 'hello' as unknown as TestClient;
  await expect(expect(wrong).toHaveReceived('hello')).rejects.toThrow('toHaveReceived() is for a TestClient');
  expect(() => expect(wrong).toHaveReceivedNothing()).toThrow('is for a TestClient');
});
