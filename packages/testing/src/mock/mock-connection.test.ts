import { type Connection, ConnectionClosedError, lines, StateError, TimeoutError, TlsError } from '@reagent/core';
import { describe, expect, it, vi } from 'vitest';
import { mockConnection } from './mock-connection.js';
import { mockIncoming } from './mock-incoming.js';
import { mockListener } from './mock-listener.js';

class Greeter {
  greet(conn: Connection<string>, name: string): void {
    if (name === 'quit') conn.close();
    else conn.send(`hello, ${name}`);
  }

  async talk(conn: Connection<string>): Promise<string[]> {
    const heard: string[] = [];
    for await (const line of conn) {
      heard.push(line);
      conn.send(line.toUpperCase());
    }
    return heard;
  }
}

describe('what was sent', () => {
  it('is recorded as messages and as bytes', () => {
    const conn = mockConnection(lines());
    new Greeter().greet(conn, 'Ada');
    conn.send(Buffer.from('raw'));
    expect(conn.sent).toEqual(['hello, Ada', Buffer.from('raw')]);
    expect(String(conn.sentBytes)).toBe('hello, Ada\nraw');
    expect(conn.bytesWritten).toBe(14);
  });

  it('is without what came after the end', () => {
    const conn = mockConnection(lines());
    new Greeter().greet(conn, 'quit');
    expect(conn.send('late')).toBe(false);
    expect(conn.sent).toEqual([]);
    expect(conn.finished).toBe(true);
    expect(conn.wasReset).toBe(false);
  });

  it('does not change with the buffer that it was sent from', () => {
    const conn = mockConnection();
    const buffer = Buffer.from('one');
    conn.send(buffer);
    buffer.fill('x');
    expect(String(conn.sentBytes)).toBe('one');
  });
});

describe('what the client does', () => {
  it('is fed as messages, whatever the codec', async () => {
    const conn = mockConnection(lines());
    const talking = new Greeter().talk(conn);
    conn.receive('one', 'two');
    conn.receive('three');
    conn.end();
    expect(await talking).toEqual(['one', 'two', 'three']);
    expect(conn.sent).toEqual(['ONE', 'TWO', 'THREE']);
  });

  it('is fed as bytes, which the codec cuts', async () => {
    const conn = mockConnection(lines());
    const talking = new Greeter().talk(conn);
    conn.receiveBytes('on');
    conn.receiveBytes('e\ntwo');
    conn.end();
    expect(await talking).toEqual(['one', 'two']);
    expect(conn.bytesRead).toBe(7);
  });

  it('keeps messages of bytes apart, and gives them to recv(n) as well', async () => {
    const conn = mockConnection();
    conn.receive(Buffer.from('one'), Buffer.from('two'));
    expect(String(await conn.recv())).toBe('one');
    conn.receiveBytes('three');
    expect(String(await conn.recv(2))).toBe('tw');
    expect(String(await conn.recv(6))).toBe('othree');
  });

  it('does not make bytes of messages that are none, nor put messages before bytes', async () => {
    const conn = mockConnection(lines());
    conn.receive('one');
    await expect(conn.recv(1)).rejects.toThrow(StateError);
    expect(await conn.recv()).toBe('one');
    conn.receiveBytes('two\n');
    expect(() => conn.receive('three')).toThrow(StateError);
  });

  it('cannot go on after its end', () => {
    const conn = mockConnection();
    conn.end();
    expect(() => conn.receiveBytes('x')).toThrow(StateError);
  });

  it('is dropped once the connection has closed, as on a real one', async () => {
    const conn = mockConnection();
    conn.close();
    conn.receiveBytes('x');
    expect(await conn.recv()).toBe(null);
  });

  it('waits while the connection is paused', async () => {
    const conn = mockConnection(lines());
    conn.receive('one');
    conn.pause();
    expect(conn.paused).toBe(true);
    conn.receive('two');
    conn.end();
    expect(await conn.recv()).toBe('one');
    const second = conn.recv();
    let isThere = false;
    void second.then(() => (isThere = true));
    await Promise.resolve();
    expect(isThere).toBe(false);
    conn.resume();
    expect(await second).toBe('two');
    expect(await conn.recv()).toBe(null);
  });

  it('is taken to its end although our side has ended first', async () => {
    const conn = mockConnection(lines());
    conn.receiveBytes('one\ntwo\n');
    conn.shutdown('write');
    conn.end();
    expect([await conn.recv(), await conn.recv(), await conn.recv()]).toEqual(['one', 'two', null]);
    expect(await conn.closed).toEqual({ kind: 'client' });
  });

  it('is a reset, unless it is told otherwise', async () => {
    const conn = mockConnection();
    const waiting = conn.recv();
    conn.failWith();
    const error = await waiting.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConnectionClosedError);
    expect(error).toMatchObject({ reason: { kind: 'reset', error: { code: 'ECONNRESET' } } });
    expect(conn.signal.aborted).toBe(true);
    expect(conn.signal.reason).toBe(await conn.closed);
    expect(conn.send('x')).toBe(false);
  });

  it('is whatever a test says it is', async () => {
    const idle = mockConnection();
    const error = new TimeoutError('idle', 1_000);
    idle.failWith({ kind: 'timeout', error });
    expect(await idle.closed).toEqual({ kind: 'timeout', error });
    await expect(idle.recv()).rejects.toBe(error);
    const stopped = mockConnection();
    stopped.failWith({ kind: 'shutdown' });
    expect(await stopped.recv()).toBe(null);
  });
});

describe('a stalled client', () => {
  it('ends a loop that sends and sends', () => {
    const conn = mockConnection();
    const sendForEver = () => {
      for (;;) conn.send(Buffer.alloc(1_048_576));
    };
    conn.stall();
    expect(sendForEver).toThrow(
      /^68157440 bytes wait to be sent to a client that was stalled: .* await conn\.drained\(\)/,
    );
    expect(conn.bytesWaiting).toBe(68_157_440);
  });

  it('fills the buffer: send() tells, and drained() waits', async () => {
    const conn = mockConnection(lines(), { highWaterMark: 4 });
    expect(conn.send('one')).toBe(true);
    conn.stall();
    expect(conn.send('two')).toBe(true);
    expect(conn.send('three')).toBe(false);
    let isDrained = false;
    const draining = conn.drained().then(() => (isDrained = true));
    await Promise.resolve();
    expect(isDrained).toBe(false);
    conn.unstall();
    await draining;
    expect(conn.send('four')).toBe(true);
    expect(conn.sent).toEqual(['one', 'two', 'three', 'four']);
  });

  it('puts off the close, not a reset', async () => {
    const conn = mockConnection();
    conn.stall();
    conn.send('last words');
    conn.close();
    await Promise.resolve();
    await Promise.resolve();
    expect(conn.signal.aborted).toBe(false);
    conn.unstall();
    expect(conn.signal.aborted).toBe(true);

    const other = mockConnection();
    other.stall();
    other.send('last words');
    other.reset();
    expect(await other.closed).toEqual({ kind: 'server' });
    expect(other.wasReset).toBe(true);
  });

  it('does not keep those who wait when the connection closes', async () => {
    const conn = mockConnection(undefined as never, { highWaterMark: 1 });
    conn.stall();
    conn.send('more');
    const draining = conn.drained();
    conn.failWith();
    await draining;
  });
});

describe('what the handler did besides', () => {
  it('is there to be looked at', () => {
    const conn = mockConnection();
    conn.exempt();
    conn.setOptions({ noDelay: false, keepAlive: true });
    conn.setOptions({ noDelay: true });
    const owner = new Greeter();
    conn.handOver(owner);
    expect(conn.exempted).toBe(true);
    expect(conn.options).toEqual({ noDelay: true, keepAlive: true });
    expect(conn.owner).toBe(owner);
  });

  it('with startTls it is secure, unless plain bytes wait to be read', async () => {
    const conn = mockConnection(lines());
    expect(conn.secure).toBe(false);
    expect(conn.startedTls).toBe(undefined);
    await conn.startTls();
    expect(conn.secure).toBe(true);
    expect(conn.startedTls).toEqual({});
    await expect(conn.startTls()).rejects.toThrow(StateError);

    const injected = mockConnection(lines());
    injected.receiveBytes('STARTTLS\nRCPT TO:<them>\n');
    expect(await injected.recv()).toBe('STARTTLS');
    await expect(injected.startTls()).rejects.toThrow(TlsError);
    expect(await injected.closed).toMatchObject({ kind: 'error', error: { failure: 'plaintext' } });
  });
});

describe('who it is', () => {
  it('is what the test says', () => {
    const remote = { address: '192.0.2.7', port: 4711, family: 'IPv4' } as const;
    const options = { remote, secure: true, alpnProtocol: 'h2', serverName: 'example.com' };
    const conn = mockConnection(lines(), options);
    expect(conn).toMatchObject(options);
    expect(conn.proxy).toBe(undefined);
    expect(conn.peerCertificate()).toBe(undefined);
    expect(conn.id).toBeLessThan(0);
    expect(conn.id).not.toBe(mockConnection().id);
  });

  it('has an environment of its own that falls back to the listener', () => {
    const listener = mockListener({ name: 'smtp', env: { domain: 'example.com' } });
    const conn = mockConnection(lines(), { listener });
    conn.env.user = 'ada';
    expect(conn.env.domain).toBe('example.com');
    expect(listener.env).toEqual({ domain: 'example.com' });
    expect(conn.listener.name).toBe('smtp');
    expect(conn.local).toEqual(listener.endpoint);
  });
});

describe('a mock listener', () => {
  it('has the connections that are open, and sends to all of them', async () => {
    const listener = mockListener();
    const first = mockConnection(lines(), { listener });
    const second = mockConnection(lines(), { listener });
    listener.broadcast('to all');
    second.close();
    await second.closed;
    listener.broadcast('to one');
    expect(first.sent).toEqual(['to all', 'to one']);
    expect(second.sent).toEqual(['to all']);
    expect(listener.broadcasts).toEqual(['to all', 'to one']);
    expect([...listener.connections]).toEqual([first]);
    expect(listener.stats().connections.active).toBe(1);
  });

  it('tries all connections before it tells that one cannot send', () => {
    const listener = mockListener();
    const bytesOnly = mockConnection(undefined as never, { listener });
    const text = mockConnection(lines(), { listener });
    expect(() => listener.broadcast(17)).toThrow(TypeError);
    listener.broadcast('fine');
    expect(text.sent).toEqual(['fine']);
    expect(bytesOnly.sent).toEqual(['fine']);
  });

  it('stops with its connections, and tells how many there are', async () => {
    const listener = mockListener();
    const conn = mockConnection(lines(), { listener });
    await expect(listener.waitForConnections((open) => open === 0, { timeout: 1 })).rejects.toThrow(TimeoutError);
    const none = listener.waitForConnections((open) => open === 0);
    await listener.suspend();
    expect(listener.status).toBe('suspended');
    await listener.stop();
    await none;
    expect(listener.status).toBe('stopped');
    expect(await conn.closed).toEqual({ kind: 'server' });
  });
});

it('a mock of what @OnAccept gets tells whether it was rejected', () => {
  const incoming = mockIncoming({ remote: { address: '192.0.2.7', port: 1, family: 'IPv4' } });
  incoming.setOptions({ noDelay: false });
  incoming.env.seen = true;
  expect(incoming.rejected).toBe(false);
  incoming.reject();
  expect(incoming.rejected).toBe(true);
  expect(incoming.options).toEqual({ noDelay: false });
  expect(incoming.env.seen).toBe(true);
});

it('goes with fake timers', async () => {
  vi.useFakeTimers();
  try {
    const conn = mockConnection();
    const waiting = conn.recv({ timeout: 60_000 });
    const outcome = expect(waiting).rejects.toThrow('within 60000 ms');
    await vi.advanceTimersByTimeAsync(60_000);
    await outcome;
    conn.receiveBytes('not lost');
    expect(String(await conn.recv())).toBe('not lost');
    const served = conn.recv({ timeout: 60_000 });
    conn.receiveBytes('in time');
    expect(String(await served)).toBe('in time');
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
