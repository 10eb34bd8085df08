import { expect, it } from 'vitest';
import { printed } from './excerpt.js';
import { Transcript } from './transcript.js';

it('keeps what was sent and received in order, with its time', () => {
  const transcript = new Transcript();
  transcript.add('sent', Buffer.from('PING'));
  transcript.add('received', 'end');
  transcript.add('sent', 'reset');
  const { entries } = transcript;
  expect(entries.map(({ direction, kind, bytes }) => [direction, kind, bytes.toString()])).toEqual([
    ['sent', 'bytes', 'PING'],
    ['received', 'end', ''],
    ['sent', 'reset', ''],
  ]);
  const times = entries.map(({ at }) => at);
  expect(times).toEqual([...times].sort((left, right) => left - right));
  expect(times.every((at) => at >= 0)).toBe(true);
});

it('reads as text, a line each', () => {
  const transcript = new Transcript();
  transcript.add('sent', Buffer.from('PING\r\n'));
  transcript.add('received', Buffer.from([0x00, 0xff, 0x41]));
  transcript.add('received', 'end');
  const lines = String(transcript).split('\n');
  expect(lines.map((line) => line.replace(/^ *\d+\.\d ms /, ''))).toEqual([
    'sent     6 bytes "PING\\r\\n"',
    'received 3 bytes "\\x00\\xffA"',
    'received end',
  ]);
  expect(lines.every((line) => /^ *\d+\.\d ms /.test(line))).toBe(true);
});

it('shows the last lines, and how many there were before', () => {
  const transcript = new Transcript();
  for (const text of ['one', 'two', 'three']) transcript.add('sent', Buffer.from(text));
  expect(transcript.tail(3)).toHaveLength(3);
  const tail = transcript.tail(1);
  expect(tail).toHaveLength(2);
  expect(tail[0]).toBe('… 2 earlier');
  expect(tail[1]).toContain('"three"');
});

it.each([
  ['plain "text" with \\', '"plain \\"text\\" with \\\\"'],
  ['a\tb\r\n', '"a\\tb\\r\\n"'],
  ['größer als 5 €, 👍', '"größer als 5 €, 👍"'],
  ['\u0000\u001b[31m\u0085\u200e\u2028', '"\\x00\\x1b[31m\\xc2\\x85\\xe2\\x80\\x8e\\xe2\\x80\\xa8"'],
])('prints %j with hex for what cannot be printed', (text, expected) => {
  expect(printed(Buffer.from(text))).toBe(expected);
});

it('prints bytes that are no UTF-8 byte by byte, and not too many', () => {
  expect(printed(Buffer.from([0x61, 0xe4, 0x0a, 0x80]))).toBe('"a\\xe4\\n\\x80"');
  expect(printed(Buffer.alloc(10_000, 'x')).length).toBeLessThan(300);
  expect(printed(Buffer.alloc(10_000, 'x'))).toMatch(/x"…$/);
});
