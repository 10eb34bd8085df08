import { describe, expect, it } from 'vitest';
import { cutAt, decodeAll, encodeAll, everyCut } from '../../test/support/codec-driver.js';
import { Inbound } from '../connection/inbound.js';
import { FrameTooLongError, InvalidMessageError, UnexpectedEndError } from '../errors.js';
import { lines } from './lines.js';

const decoded = (input: string | Uint8Array, options?: Parameters<typeof lines>[0]) =>
  decodeAll(lines(options), [Buffer.from(input as string)]);

describe('lines()', () => {
  it('ends lines at LF and drops a CR before it', () => {
    expect(decoded('one\ntwo\r\n\r\n\nthree\r\r\nfo\rur\n').messages).toEqual([
      'one',
      'two',
      '',
      '',
      'three\r',
      'fo\rur',
    ]);
  });

  it.each([
    ['\n', 'one\r\ntwo\n', ['one\r', 'two']],
    ['\r\n', 'one\ntwo\r\n\r\r\n', ['one\ntwo', '\r']],
    ['--', 'one---two--', ['one', '-two']],
    ['é', 'oneéÃ©twoé', ['one', 'Ã©two']],
    ['\0', 'one\0\0', ['one', '']],
  ])('takes the delimiter %j exactly', (delimiter, input, expected) => {
    expect(decoded(input, { delimiter }).messages).toEqual(expected);
    for (const chunks of everyCut(Buffer.from(input))) {
      expect(decodeAll(lines({ delimiter }), chunks)).toMatchObject({ messages: expected, error: undefined });
    }
  });

  it('gives a last line without an end when the stream ends', () => {
    expect(decoded('one\ntwo').messages).toEqual(['one', 'two']);
    expect(decoded('one\ntwo\r').messages).toEqual(['one', 'two']);
    expect(decoded('one\r', { delimiter: '\r\n' }).messages).toEqual(['one\r']);
    expect(decoded('one\n').messages).toEqual(['one']);
  });

  it('refuses a last line without an end where a delimiter is required', () => {
    const { messages, error } = decoded('one\ntwo', { requireDelimiter: true });
    expect(messages).toEqual(['one']);
    expect(error).toEqual(new UnexpectedEndError(3));
    expect(decoded('one\n', { requireDelimiter: true }).error).toBeUndefined();
  });

  it('gives the same lines wherever the input is cut, characters and ends included', () => {
    const input = Buffer.from(`ein\r\nzwölf €\n😀\n\n${'long '.repeat(30)}\r\nlast`);
    const expected = ['ein', 'zwölf €', '😀', '', 'long '.repeat(30), 'last'];
    for (const chunks of everyCut(input))
      expect(decodeAll(lines(), chunks)).toMatchObject({ messages: expected, error: undefined });
  });

  it('gives many lines in a chunk as one by one, whether they are ASCII or not, and valid or not', () => {
    const pieces = ['plain', 'größer', '€uro', '😀', '', 'x'.repeat(1_500)];
    const input = Buffer.concat(
      Array.from({ length: 600 }, (_, i) =>
        Buffer.concat([
          Buffer.from(pieces[(i * 7) % 6] as string),
          Buffer.from(i % 5 === 0 ? [0xff, 0xe2, 0x82, 10] : [10]),
        ]),
      ),
    );
    const expected = input
      .toString('latin1')
      .split('\n')
      .slice(0, -1)
      .map((line) => Buffer.from(line, 'latin1').toString());
    expect(decodeAll(lines(), [input]).messages).toEqual(expected);
    for (const size of [1, 7, 1_000, 1_024, 5_000]) {
      const cuts = Array.from({ length: Math.floor(input.length / size) }, (_, i) => (i + 1) * size);
      expect(decodeAll(lines(), cutAt(input, cuts)).messages).toEqual(expected);
    }
  });

  it('reads and writes Latin-1 as one byte a character', () => {
    const codec = lines({ encoding: 'latin1' });
    expect(decodeAll(codec, [Buffer.from([0xe9, 0x80, 10])]).messages).toEqual(['é\x80']);
    expect(encodeAll(codec, ['é'])).toEqual(Buffer.from([0xe9, 10]));
  });

  it('refuses to send characters that Latin-1 lacks, since their lowest byte may be a delimiter', () => {
    expect(() => encodeAll(lines({ encoding: 'latin1' }), ['a\u010ab'])).toThrow(InvalidMessageError);
  });

  it('sends LF behind a line, or the delimiter that was given', () => {
    expect(encodeAll(lines(), ['a', '', 'é\r']).toString()).toBe('a\n\né\r\n');
    expect(encodeAll(lines({ delimiter: '\r\n' }), ['a', 'b\n']).toString()).toBe('a\r\nb\n\r\n');
  });

  it('refuses to send a line that its delimiter would cut', () => {
    expect(() => encodeAll(lines(), ['a\nb'])).toThrow(
      new InvalidMessageError([
        { path: [], message: 'a line may not contain its delimiter "\\n", which is sent behind it' },
      ]),
    );
    expect(() => encodeAll(lines({ delimiter: '--' }), ['a-'])).toThrow(InvalidMessageError);
    expect(() => encodeAll(lines(), [5 as never])).toThrow(TypeError);
  });

  it('sends bytes as they are', () => {
    expect(encodeAll(lines(), ['3', Buffer.from('a\nb'), 'end']).toString()).toBe('3\na\nbend\n');
  });

  it('allows maxLength bytes, not characters, without the end of the line', () => {
    const codec = lines({ maxLength: 4 });
    for (const line of ['abcd', 'éé', '€a']) {
      for (const end of ['\n', '\r\n', '', '\r']) {
        expect(decodeAll(codec, [Buffer.from(line + end)])).toMatchObject({ messages: [line], error: undefined });
      }
    }
  });

  it.each(['abcde', 'ééa', '€ab', 'abcd\r\r', 'ab\ncdefg'])(
    'refuses %j at a maxLength of 4 wherever it is cut',
    (line) => {
      for (const end of ['\n', '\r\n', '']) {
        for (const chunks of everyCut(Buffer.from(line + end))) {
          const { messages, error } = decodeAll(lines({ maxLength: 4 }), chunks);
          expect(error).toEqual(new FrameTooLongError(4));
          expect(messages).toEqual(line.startsWith('ab\n') ? ['ab'] : []);
        }
      }
    },
  );

  it('refuses an endless line as soon as it is too long', () => {
    const codec = lines({ delimiter: '\r\n', maxLength: 100 });
    const endless = Array.from({ length: 1_000 }, () => Buffer.from('\r'));
    const { error, mostWaiting } = decodeAll(codec, endless);
    expect(error).toBeInstanceOf(FrameTooLongError);
    expect(mostWaiting).toBe(101);
  });

  it('has 64 KiB as its default limit', () => {
    expect(decoded(`${'x'.repeat(65_536)}\n`).messages[0]).toHaveLength(65_536);
    expect(decoded(`${'x'.repeat(65_537)}\n`).error).toEqual(new FrameTooLongError(65_536));
  });

  it('goes on behind bytes that something else has taken', () => {
    const inbound = new Inbound(lines());
    inbound.push(Buffer.from('set 5\na\nb\nc\nget\nhalf'));
    expect(inbound.next()).toBe('set 5');
    expect(inbound.read({ kind: 'length', length: 6 })?.toString()).toBe('a\nb\nc\n');
    expect(inbound.next()).toBe('get');
    expect(inbound.next()).toBeUndefined();
    // What was looked at for a delimiter is gone with what is taken now.
    inbound.read({ kind: 'length', length: 4 });
    inbound.push(Buffer.from('x\ny\n'));
    expect([inbound.next(), inbound.next()]).toEqual(['x', 'y']);
  });

  it('takes time in proportion to the bytes when they drip', () => {
    const time = (length: number): number => {
      const inbound = new Inbound(lines({ maxLength: 1 << 24 }));
      const start = performance.now();
      for (let i = 0; i < length; i++) {
        inbound.push(Buffer.from('x'));
        inbound.next();
      }
      inbound.push(Buffer.from('\n'));
      expect((inbound.next() as string).length).toBe(length);
      return performance.now() - start;
    };
    time(20_000);
    // Sixteen times as long a line takes sixteen times as long; were it quadratic, it would be 256 times.
    expect(time(640_000) / time(40_000)).toBeLessThan(80);
  });

  it.each([
    [{ maxLength: 0 }, 'lines({ maxLength }) takes a whole number of bytes from 1 on, not 0'],
    [{ maxLength: '5' }, 'lines({ maxLength }) takes a whole number of bytes from 1 on, not "5"'],
    [{ encoding: 'utf16le' }, 'lines({ encoding }) takes "utf8", "latin1", not "utf16le"'],
    [{ delimiter: '' }, 'lines({ delimiter }) takes text of at least one character'],
    [{ delimiter: Buffer.from('x') }, 'lines({ delimiter }) takes text, not an object (Buffer)'],
    [{ delimiter: '€', encoding: 'latin1' }, 'lines({ delimiter }) takes text that exists in latin1, not "€"'],
    [{ requireDelimiter: 1 }, 'lines({ requireDelimiter }) takes true or false, not 1'],
    [{ maxlength: 5 }, 'lines() has no option maxlength; did you mean maxLength?'],
    ['utf8', 'lines() takes options such as { encoding }, not "utf8"'],
  ])('refuses the options %j', (options, message) => {
    expect(() => lines(options as object)).toThrow(message);
  });
});
