import { describe, expect, it } from 'vitest';
import { bytes } from '../codec/bytes.js';
import type { Codec } from '../codec/codec.js';
import { FrameTooLongError, UnexpectedEndError } from '../errors.js';
import { Inbound } from './inbound.js';
import { nextMessage, readRequest } from './read-request.js';

/** Messages of two bytes. */
const pairs: Codec<string> = {
  decoder: () => ({ decode: (input) => (input.length < 2 ? undefined : input.take(2).toString()) }),
  encode: (message, output) => output.write(message),
};

/** The same, and an odd byte at the end is a message too. */
const pairsAndRest: Codec<string> = {
  ...pairs,
  decoder: () => ({ ...pairs.decoder(), end: (input) => input.take(input.length).toString() }),
};

function received<In>(codec: Codec<In, never>, ...chunks: string[]): Inbound<In> {
  const inbound = new Inbound(codec);
  for (const chunk of chunks) inbound.push(Buffer.from(chunk));
  return inbound;
}

describe('messages', () => {
  it('come one at a time, whatever the chunks', () => {
    const inbound = received(pairs, 'a', 'bc', 'd', 'e');
    expect([inbound.next(), inbound.next(), inbound.next()]).toEqual(['ab', 'cd', undefined]);
    expect(inbound.length).toBe(1);
    inbound.push(Buffer.from('f'));
    expect(inbound.next()).toBe('ef');
  });

  it('are cut by the new codec from the very next byte', () => {
    const inbound = received<string | Buffer>(pairs as Codec<string | Buffer, never>, 'abcdef');
    expect(inbound.next()).toBe('ab');
    inbound.codec = bytes() as Codec<string | Buffer, never>;
    expect(String(inbound.next())).toBe('cdef');
  });

  it('that the client did not finish are an error, which tells how much there was', () => {
    const inbound = received(pairs, 'abc');
    expect(inbound.next()).toBe('ab');
    inbound.ended = true;
    expect(() => inbound.next()).toThrow(UnexpectedEndError);
    expect(inbound.exhausted).toBe(false);
  });

  it('that the client did not finish go to a codec that takes them', () => {
    const inbound = received(pairsAndRest, 'abc');
    inbound.ended = true;
    expect([inbound.next(), inbound.next(), inbound.next()]).toEqual(['ab', 'c', undefined]);
    expect(inbound.exhausted).toBe(true);
  });
});

describe('a read', () => {
  it('of a message gives null at the end, and undefined before it', () => {
    const inbound = received(pairs, 'ab');
    expect(inbound.read(nextMessage)).toBe('ab');
    expect(inbound.read(nextMessage)).toBeUndefined();
    inbound.ended = true;
    expect(inbound.read(nextMessage)).toBeNull();
  });

  it('of a length waits for all of it, over any number of chunks', () => {
    const inbound = received(bytes(), 'ab', 'c');
    const request = readRequest(4);
    expect(inbound.read(request)).toBeUndefined();
    inbound.push(Buffer.from('de'));
    expect(String(inbound.read(request))).toBe('abcd');
    expect(inbound.length).toBe(1);
  });

  it('of no bytes is an empty buffer, at the end too', () => {
    const inbound = new Inbound(bytes());
    expect(inbound.read(readRequest(0))).toEqual(Buffer.alloc(0));
    inbound.ended = true;
    expect(inbound.read(readRequest(0))).toEqual(Buffer.alloc(0));
  });

  it('of a length that the stream ends inside of is an error that tells both numbers', () => {
    const inbound = received(bytes(), 'abc');
    inbound.ended = true;
    expect(() => inbound.read(readRequest(4))).toThrow(
      expect.objectContaining({ constructor: UnexpectedEndError, received: 3, expected: 4 }),
    );
    expect(inbound.length).toBe(3);
  });

  it('until a delimiter takes the delimiter too, wherever the chunks are cut', () => {
    const text = 'one--two--';
    for (let cut = 1; cut < text.length; cut += 1) {
      const inbound = new Inbound(bytes());
      const request = readRequest({ until: '--' });
      inbound.push(Buffer.from(text.slice(0, cut)));
      const early = inbound.read(request);
      inbound.push(Buffer.from(text.slice(cut)));
      expect(String(early ?? inbound.read(request))).toBe('one');
      expect(String(inbound.read(readRequest({ until: '--' })))).toBe('two');
      expect(inbound.length).toBe(0);
    }
  });

  it('until a delimiter takes as many bytes as allowed, and not one more', () => {
    const request = () => readRequest({ until: '\n', maxLength: 3 });
    expect(String(received(bytes(), 'abc\n').read(request()))).toBe('abc');
    expect(received(bytes(), 'abc').read(request())).toBeUndefined();
    expect(() => received(bytes(), 'abcd').read(request())).toThrow(FrameTooLongError);
    expect(() => received(bytes(), 'abcd\n').read(request())).toThrow(FrameTooLongError);
  });

  it('until a delimiter that never comes is an error at the end of the stream', () => {
    const inbound = received(bytes(), 'abc');
    inbound.ended = true;
    expect(() => inbound.read(readRequest({ until: '\n' }))).toThrow(UnexpectedEndError);
  });
});

it('forgets what it has received when it is cleared', () => {
  const inbound = received(pairs, 'abc');
  inbound.clear();
  expect(inbound.length).toBe(0);
  inbound.push(Buffer.from('xy'));
  expect(inbound.next()).toBe('xy');
});
