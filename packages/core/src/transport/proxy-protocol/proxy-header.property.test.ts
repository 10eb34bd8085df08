// What holds for every PROXY header, wherever the stream is cut and whatever comes instead of one.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutAt } from '../../../test/support/codec-driver.js';
import { MAX_HEADER_BYTES } from './binary-header.js';
import type { ProxyHeader } from './proxy-header.js';
import { ProxyHeaderError } from './proxy-header-error.js';
import { ProxyHeaderReader } from './proxy-header-reader.js';
import { type ProxyHeaderOptions, proxyHeader } from './write-proxy-header.js';

/** What became of a stream: a header and what is behind it, an error, or neither as yet. */
interface Outcome {
  readonly header?: ProxyHeader;
  readonly rest?: Buffer;
  readonly error?: unknown;
}

function read(chunks: readonly Uint8Array[]): Outcome {
  const reader = new ProxyHeaderReader([1, 2]);
  for (const [i, chunk] of chunks.entries()) {
    try {
      // A chunk from a socket has memory of its own.
      const result = reader.read(Buffer.from(chunk));
      if (result !== 'more')
        return { header: result.header, rest: Buffer.concat([result.rest, ...chunks.slice(i + 1)]) };
    } catch (error) {
      return { error };
    }
  }
  return {};
}

const endpoints = (address: fc.Arbitrary<string>, port: fc.Arbitrary<number>) =>
  fc.record({ source: fc.record({ address, port }), destination: fc.record({ address, port }) });
const port = fc.nat(65_535);
const path = fc.stringMatching(/^\/[a-zä]{0,50}$/);
const ends = fc.oneof(
  endpoints(fc.ipV4(), port),
  endpoints(fc.ipV6(), port),
  endpoints(fc.oneof(fc.ipV4(), fc.ipV6()), port),
);
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((data) => Buffer.from(data));
/** Half of a pair of surrogates has no UTF-8. */
const name = fc.string({ unit: 'binary', maxLength: 60 }).filter((value) => Buffer.from(value).toString() === value);

const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const fields = fc.record({
  alpn: optional(name),
  authority: optional(name),
  uniqueId: optional(bytes(128)),
  networkNamespace: optional(name),
  ssl: optional(fc.record({ version: name, commonName: name, verified: fc.boolean(), certificate: bytes(300) })),
  checksum: fc.boolean(),
  tlvs: fc.array(fc.record({ type: fc.integer({ min: 0xe0, max: 0xff }), value: bytes(60) }), { maxLength: 4 }),
});
const version1: fc.Arbitrary<ProxyHeaderOptions> = fc
  .oneof(ends, fc.constant({}))
  .map((value) => ({ version: 1, ...value }));
const version2: fc.Arbitrary<ProxyHeaderOptions> = fc
  .tuple(
    fc.oneof(ends, endpoints(path, fc.constant(0)), fc.constant({}), fc.constant({ command: 'local' as const })),
    fields,
  )
  .map(([begin, rest]) => ({ ...begin, ...rest }));
const options = fc.oneof(version1, version2);

describe('a PROXY header', () => {
  it('says what was written into it, wherever it is cut, and leaves alone what follows', () => {
    fc.assert(
      fc.property(options, bytes(40), fc.array(fc.nat(700)), (written, rest, cuts) => {
        const sent = Buffer.concat([proxyHeader(written), rest]);
        const outcome = read([sent]);
        expect(outcome.error).toBeUndefined();
        expect(read(cutAt(sent, cuts))).toEqual(outcome);
        expect(outcome.rest).toEqual(rest);
        const { alpn, authority, uniqueId, networkNamespace, tlvs = [], ssl } = written;
        expect(outcome.header).toMatchObject({ alpn, authority, uniqueId, networkNamespace });
        expect(outcome.header?.tlvs.filter(({ type }) => type >= 0xe0)).toEqual(tlvs);
        if (ssl !== undefined) expect(outcome.header?.ssl).toMatchObject(ssl);
        expect(outcome.header?.source === undefined).toBe(written.source === undefined);
        expect(outcome.header?.source?.port).toBe(written.source?.port);
        expect(outcome.header?.destination?.port).toBe(written.destination?.port);
      }),
    );
  });

  it('is the same once it is passed on', () => {
    fc.assert(
      fc.property(options, (written) => {
        const { header } = read([proxyHeader(written)]);
        expect(header).toBeDefined();
        const again = read([proxyHeader(header as ProxyHeader)]).header;
        expect({ ...again, tlvs: undefined }).toEqual({ ...header, tlvs: undefined });
      }),
    );
  });
});

describe('anything else', () => {
  const starts = fc.constantFrom(
    '',
    'P',
    'PROXY ',
    'PROXY TCP4 ',
    'PROXY TCP6 ',
    'PROXY UNKNOWN',
    '\r\n\r\n\0\r\nQUIT\n',
  );
  const started = fc
    .tuple(
      starts,
      fc.oneof(
        bytes(200),
        fc.string({ unit: fc.constantFrom('1', '0', '.', ':', ' ', 'f', '\r', '\n') }).map((text) => Buffer.from(text)),
      ),
    )
    .map(([start, noise]) => Buffer.concat([Buffer.from(start, 'latin1'), noise]));
  /** A header in which some bytes have changed. */
  const damaged = fc
    .tuple(options, fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { minLength: 1, maxLength: 5 }))
    .map(([written, changes]) => {
      const header = proxyHeader(written);
      for (const [index, byte] of changes) header[index % header.length] = byte;
      return header;
    });
  const stream = fc.oneof(bytes(300), started, damaged);

  it('is a header or a ProxyHeaderError, the same wherever it is cut', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(300)), (data, cuts) => {
        const whole = read([data]);
        const inPieces = read(cutAt(data, cuts));
        expect(inPieces.header).toEqual(whole.header);
        expect(inPieces.rest).toEqual(whole.rest);
        for (const { error } of [whole, inPieces])
          if (error !== undefined) expect(error).toBeInstanceOf(ProxyHeaderError);
        expect(inPieces.error === undefined).toBe(whole.error === undefined);
      }),
      { numRuns: 1_000 },
    );
  });

  it('never waits for more than the longest header', () => {
    fc.assert(
      fc.property(stream, fc.nat(255), (data, filler) => {
        const padded = Buffer.alloc(Math.max(MAX_HEADER_BYTES, data.length), filler);
        data.copy(padded);
        const isText = data[0] === 0x50;
        const { header, error } = read(isText ? [padded.subarray(0, 107)] : [padded]);
        expect(header !== undefined || error !== undefined).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
