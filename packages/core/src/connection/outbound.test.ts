import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Outbound, type OutboundSource } from './outbound.js';

/** Bytes. */
const HIGH_WATER_MARK = 65_536;

type Written = (error?: Error | null) => void;

/** What the stream of a socket does with bytes, under the control of the test. */
class FakeSocket {
  /** One entry a write. */
  readonly writes: Buffer[] = [];
  ended = 0;
  destroyedWith: Error | undefined;
  /** Whether the kernel takes what it is given at once. */
  hasRoom = true;
  #waiting: Written | undefined;

  get all(): string {
    return Buffer.concat(this.writes).toString();
  }

  _write(chunk: Buffer | string, _encoding: string, written: Written): void {
    this.writes.push(Buffer.from(chunk as string));
    this.#finish(written);
  }

  _writev(chunks: readonly { chunk: Buffer | string }[], written: Written): void {
    this.writes.push(Buffer.concat(chunks.map(({ chunk }) => Buffer.from(chunk as string))));
    this.#finish(written);
  }

  end(): void {
    this.ended += 1;
  }

  destroy(error?: Error): void {
    this.destroyedWith = error;
  }

  /** The kernel takes what it was given last. */
  take(error?: Error): void {
    const written = this.#waiting;
    this.#waiting = undefined;
    written?.(error);
  }

  #finish(written: Written): void {
    if (this.hasRoom) written();
    else this.#waiting = written;
  }
}

function outbound() {
  const socket = new FakeSocket();
  const told: string[] = [];
  const owner = {
    outboundStalled: () => told.push('stalled'),
    outboundMoved: () => told.push('moved'),
    outboundFlushed: () => told.push('flushed'),
    outboundEnded: () => told.push('ended'),
  };
  return { socket, told, outbound: new Outbound(socket as unknown as Socket, owner, HIGH_WATER_MARK) };
}

const afterTick = () => new Promise<void>((resolve) => process.nextTick(resolve));

describe('what is written', () => {
  it('in one tick leaves in one write, at its end', async () => {
    const { socket, outbound: out, told } = outbound();
    out.write('one ');
    out.write(Buffer.from('two '));
    out.write('three');
    expect(socket.writes).toEqual([]);
    await afterTick();
    expect(socket.writes.map(String)).toEqual(['one two three']);
    expect(out.waiting).toBe(0);
    expect(told).toEqual(['flushed']);
  });

  it('while it is held leaves with the flush', async () => {
    const { socket, outbound: out } = outbound();
    out.held = true;
    out.write('one ');
    out.write('two');
    await afterTick();
    expect(socket.writes).toEqual([]);
    expect(out.waiting).toBe(7);
    out.held = false;
    out.flush();
    expect(socket.writes.map(String)).toEqual(['one two']);
  });

  it('while the kernel is full waits, and leaves in one write when it has room', async () => {
    const { socket, outbound: out, told } = outbound();
    socket.hasRoom = false;
    out.write('first');
    await afterTick();
    expect(told).toEqual(['stalled', 'flushed']);
    expect(out.stalled).toBe(true);
    out.write(' second');
    await afterTick();
    out.write(' third');
    await afterTick();
    expect(socket.all).toBe('first');
    expect(out.waiting).toBe(18);
    socket.hasRoom = true;
    socket.take();
    expect(socket.writes.map(String)).toEqual(['first', ' second third']);
    expect(out.waiting).toBe(0);
    expect(told).toEqual(['stalled', 'flushed', 'moved']);
  });

  it('in great amounts is given a slice at a time, the next when the last one was taken', async () => {
    const { socket, outbound: out } = outbound();
    socket.hasRoom = false;
    const pieces = ['a'.repeat(50_000), Buffer.alloc(300_000, 'b'), 'é'.repeat(60_000), Buffer.alloc(3, 'c')];
    for (const piece of pieces) out.write(piece);
    await afterTick();
    while (out.stalled) {
      expect((socket.writes.at(-1) as Buffer).length).toBeLessThanOrEqual(131_072);
      socket.take();
    }
    expect(socket.writes.length).toBeGreaterThan(3);
    expect(socket.all).toBe(pieces.join(''));
  });

  it('as nothing costs no write', async () => {
    const { socket, outbound: out } = outbound();
    out.write('');
    out.write(Buffer.alloc(0));
    await afterTick();
    expect(socket.writes).toEqual([]);
  });
});

describe('the end', () => {
  it('follows all that was written', async () => {
    const { socket, outbound: out, told } = outbound();
    socket.hasRoom = false;
    out.write('first');
    await afterTick();
    out.write(' second');
    out.end();
    expect(out.ended).toBe(true);
    expect(socket.ended).toBe(0);
    socket.take();
    expect(socket.ended).toBe(0);
    socket.take();
    expect(socket.all).toBe('first second');
    expect(socket.ended).toBe(1);
    expect(out.finished).toBe(true);
    expect(told.filter((event) => event === 'ended')).toHaveLength(1);
  });

  it('comes once, however often it is asked for', () => {
    const { socket, outbound: out } = outbound();
    out.end();
    out.end();
    out.flush();
    expect(socket.ended).toBe(1);
  });
});

describe('when the socket fails', () => {
  it('at once, it is destroyed with the error, and nothing more is given to it', async () => {
    const { socket, outbound: out } = outbound();
    const error = new Error('EPIPE');
    socket._write = (_chunk, _encoding, written) => written(error);
    out.write('lost');
    await afterTick();
    expect(socket.destroyedWith).toBe(error);
    out.write('lost too');
    out.end();
    await afterTick();
    expect(socket.ended).toBe(0);
    // As its connection does when it is told of the close.
    out.drop();
    expect(out.waiting).toBe(0);
  });

  it('later, what was queued meanwhile is not given to it', async () => {
    const { socket, outbound: out } = outbound();
    socket.hasRoom = false;
    out.write('first');
    await afterTick();
    out.write('second');
    socket.take(new Error('ECONNRESET'));
    await afterTick();
    expect(socket.all).toBe('first');
    expect(socket.destroyedWith).toMatchObject({ message: 'ECONNRESET' });
  });

  it('what waited for its tick is not given to a dropped one', async () => {
    const { socket, outbound: out } = outbound();
    out.write('lost');
    out.drop();
    await afterTick();
    expect(socket.writes).toEqual([]);
    expect(socket.ended).toBe(0);
  });
});

describe('a source', () => {
  class Parts implements OutboundSource {
    readonly ends: boolean[] = [];
    #parts: string[];

    constructor(...parts: string[]) {
      this.#parts = parts;
    }

    get remaining(): number {
      return this.#parts.join('').length;
    }

    async next() {
      await turn();
      const part = this.#parts.shift();
      return part === undefined ? undefined : Buffer.from(part);
    }

    end(delivered: boolean): void {
      this.ends.push(delivered);
    }
  }

  const over = async (source: Parts) => {
    while (source.ends.length === 0) await turn();
  };

  it('is sent in its place between what was written before and after it', async () => {
    const { socket, outbound: out } = outbound();
    const [one, other] = [new Parts('1', '2'), new Parts('4')];
    out.write('0');
    out.writeFrom(one);
    out.write('3');
    out.writeFrom(other);
    out.write('5');
    out.end();
    await over(other);
    expect(socket.all).toBe('012345');
    expect(socket.ended).toBe(1);
    expect([...one.ends, ...other.ends]).toEqual([true, true]);
  });

  it('is asked for its next part when the last one was taken', async () => {
    const { socket, outbound: out } = outbound();
    socket.hasRoom = false;
    const source = new Parts('1', '2');
    out.writeFrom(source);
    out.write('3');
    while (socket.writes.length < 1) await turn();
    for (let turns = 0; turns < 5; turns += 1) await turn();
    expect(socket.all).toBe('1');
    expect(out.waiting).toBe(3);
    socket.take();
    while (socket.writes.length < 2) await turn();
    socket.take();
    await over(source);
    socket.take();
    expect(socket.all).toBe('123');
    expect(out.waiting).toBe(0);
  });

  it('is told, once, that it is not needed when the socket is gone', async () => {
    const { socket, outbound: out } = outbound();
    socket.hasRoom = false;
    const [one, other] = [new Parts('1', '2'), new Parts('3')];
    out.writeFrom(one);
    out.writeFrom(other);
    while (socket.writes.length < 1) await turn();
    out.drop();
    for (let turns = 0; turns < 5; turns += 1) await turn();
    expect([...one.ends, ...other.ends]).toEqual([false, false]);
    expect(socket.all).toBe('1');
  });
});
