import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteQueue } from './byte-queue.js';

function queueOf(...chunks: (string | Buffer)[]): ByteQueue {
  const queue = new ByteQueue();
  for (const chunk of chunks) queue.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  return queue;
}

/** As a socket gives it: memory of its own. */
function received(length: number, fill = 0x78): Buffer {
  return Buffer.from(new Uint8Array(length).fill(fill).buffer);
}

describe('ByteQueue', () => {
  it('reads chunks as if they were one Buffer', () => {
    const queue = queueOf('ab', received(1_000), 'cd');
    expect([queue.length, queue.at(0), queue.at(2), queue.at(1_002), queue.at(1_004)]).toEqual([
      1_004,
      97,
      120,
      99,
      undefined,
    ]);
    expect(queue.take(3).toString()).toBe('abx');
    queue.skip(998);
    expect(queue.takeText(3)).toBe('xcd');
    expect(queue.length).toBe(0);
  });

  it('counts what was taken, by whatever call', () => {
    const queue = queueOf('abcdefgh');
    queue.take(1);
    queue.takeText(2);
    queue.skip(1);
    expect(queue.position).toBe(4);
    queue.takeChunk();
    expect(queue.position).toBe(8);
    queue.push(Buffer.from('xyz'));
    queue.clear();
    expect(queue.position).toBe(11);
  });

  it('reads numbers of one to six bytes, also across chunks', () => {
    const queue = queueOf(Buffer.from([1, 2]), received(600, 0xff), Buffer.from([3]));
    expect(queue.readUIntBE(0, 2)).toBe(0x0102);
    expect(queue.readUIntLE(0, 2)).toBe(0x0201);
    expect(queue.readUIntBE(1, 4)).toBe(0x02ffffff);
    expect(queue.readUIntLE(1, 6)).toBe(0xffffffffff02);
    expect(() => queue.readUIntBE(600, 4)).toThrow(
      new RangeError('there are no 4 bytes from 600 on: the queue has 603'),
    );
  });

  it('finds a delimiter that lies across chunks', () => {
    const queue = queueOf('a\r', received(600), '\r', received(600, 10));
    expect(queue.indexOf(Buffer.from('\r\n'))).toBe(602);
    expect(queue.indexOf(Buffer.from('\r\n'), 603)).toBe(-1);
    expect(queue.indexOf(13, 2)).toBe(602);
    expect(queue.indexOf(0)).toBe(-1);
  });

  it.each([-1, 4, Number.NaN, 1.5e300])('refuses to take %s bytes of 3', (count) => {
    const queue = queueOf('abc');
    expect(() => queue.take(count)).toThrow(RangeError);
    expect(() => queue.takeText(count)).toThrow(RangeError);
    expect(() => queue.skip(count)).toThrow(RangeError);
    expect(queue.length).toBe(3);
  });

  it('gives a chunk as it came, without a copy', () => {
    const chunk = received(100_000);
    const queue = queueOf(chunk);
    expect(queue.take(100_000)).toBe(chunk);
    queue.push(chunk);
    expect(queue.takeChunk()).toBe(chunk);
  });

  it('copies a small frame out of a large chunk, and shares a large one', () => {
    const chunk = received(65_536);
    const queue = queueOf(chunk);
    expect(queue.take(100).buffer).not.toBe(chunk.buffer);
    expect(queue.take(40_000).buffer).toBe(chunk.buffer);
  });

  it('lets a large chunk go when little is left of it', () => {
    const chunk = received(65_536);
    const queue = queueOf(chunk);
    for (let taken = 0; taken < 65_536 - 10; taken += 6) queue.skip(6);
    expect(queue.length).toBe(10);
    expect(queue.takeChunk().buffer.byteLength).toBeLessThanOrEqual(8_192);
  });

  it('goes on behind what is left of a large block', () => {
    const queue = queueOf('x', ...Array.from({ length: 100 }, () => received(400)));
    queue.skip(queue.length - 3);
    queue.push(Buffer.from('abc'));
    expect(queue.takeText(6)).toBe('xxxabc');
  });

  it('keeps what drips in within a small multiple of its size', () => {
    const before = process.memoryUsage().arrayBuffers;
    const queue = new ByteQueue();
    for (let i = 0; i < 1_024 * 1_024; i++) queue.push(Buffer.from([i & 0xff]));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1_024 * 1_024);
    expect(queue.take(queue.length).subarray(250, 260)).toEqual(
      Buffer.from([250, 251, 252, 253, 254, 255, 0, 1, 2, 3]),
    );
  });

  it('takes time in proportion to the bytes when 16 MiB come in small pieces', () => {
    const time = (bytes: number): number => {
      const queue = new ByteQueue();
      const piece = received(16);
      const start = performance.now();
      for (let sent = 0; sent < bytes; sent += 16) {
        queue.push(piece);
        queue.indexOf(10, Math.max(0, queue.length - 16));
        queue.at(queue.length - 1);
      }
      queue.take(queue.length);
      return performance.now() - start;
    };
    time(1 << 20);
    // Sixteen times as much takes sixteen times as long; were it quadratic, it would be 256 times.
    expect(time(16 << 20) / time(1 << 20)).toBeLessThan(80);
  });

  it('is at every moment what a Buffer would be', () => {
    const operation = fc.oneof(
      fc.record({ kind: fc.constant('push' as const), size: fc.oneof(fc.nat(20), fc.nat(2_000), fc.nat(70_000)) }),
      fc.record({
        kind: fc.constantFrom(
          'take' as const,
          'takeText' as const,
          'skip' as const,
          'indexOf' as const,
          'number' as const,
        ),
        size: fc.oneof(fc.nat(20), fc.nat(3_000), fc.nat(100_000)),
      }),
      fc.record({ kind: fc.constantFrom('takeChunk' as const, 'clear' as const), size: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), fc.nat(255), (operations, seed) => {
        const queue = new ByteQueue();
        let model = Buffer.alloc(0);
        let position = 0;
        let next = seed;
        for (const { kind, size } of operations) {
          const count = Math.min(size, model.length);
          let taken = 0;
          switch (kind) {
            case 'push': {
              const chunk = Buffer.alloc(size);
              for (let i = 0; i < size; i++) chunk[i] = next = (next * 5 + 17) & 0xff;
              model = Buffer.concat([model, chunk]);
              queue.push(chunk);
              break;
            }
            case 'take':
              expect(queue.take(count).equals(model.subarray(0, count))).toBe(true);
              taken = count;
              break;
            case 'takeText':
              expect(queue.takeText(count, 'latin1') === model.toString('latin1', 0, count)).toBe(true);
              taken = count;
              break;
            case 'skip':
              queue.skip(count);
              taken = count;
              break;
            case 'takeChunk': {
              const chunk = queue.takeChunk();
              expect(chunk.equals(model.subarray(0, chunk.length))).toBe(true);
              expect(chunk.length > 0 || model.length === 0).toBe(true);
              taken = chunk.length;
              break;
            }
            case 'clear':
              queue.clear();
              taken = model.length;
              break;
            case 'indexOf': {
              const needle = model.subarray(count, count + 3);
              expect(queue.indexOf(seed, count)).toBe(model.indexOf(seed, count));
              if (needle.length > 0)
                expect(queue.indexOf(needle, count >>> 1)).toBe(model.indexOf(needle, count >>> 1));
              break;
            }
            case 'number': {
              const bytes = 1 + (size % 6);
              if (model.length < bytes) break;
              const index = size % (model.length - bytes + 1);
              expect(queue.readUIntBE(index, bytes)).toBe(model.readUIntBE(index, bytes));
              expect(queue.readUIntLE(index, bytes)).toBe(model.readUIntLE(index, bytes));
              break;
            }
          }
          model = model.subarray(taken);
          position += taken;
          expect([queue.length, queue.position, queue.at(0), queue.at(count)]).toEqual([
            model.length,
            position,
            model[0],
            model[count],
          ]);
          expect(queue.contiguous > 0 || model.length === 0).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });
});
