// The tests of the guide pass with the server of the guide. They fail where a bug is planted in it, and say what leads to the bug.

import { beforeAll, describe, expect, it } from 'vitest';
import { type GuideTest, runGuide, type Variant } from './support/guide.js';

interface Bug extends Required<Variant> {
  /** The test that is to fail. */
  readonly test: string;
  /** What it says, in this order. */
  readonly says: readonly (string | RegExp)[];
}

/** Makes a method of the hook that answers, and another one the hook. */
const instead = (hook: string): [string, string] => [
  '  @OnData()\n  async command(',
  `  @OnData()\n${hook}\n\n  async command(`,
];

const sentAsLines = `encode: (line: string, sink: { write(text: string): void }) => sink.write(line + '\\n')`;

const bugs: readonly Bug[] = [
  {
    name: 'a chunk is taken for a line',
    edits: [
      [
        'codec: lines({ maxLength: 1_024 })',
        `codec: { decoder: () => ({ decode: (queue) => String(queue.takeChunk()).trimEnd() }), ${sentAsLines} }`,
      ],
    ],
    files: ['split'],
    test: 'understands its input in whatever pieces it comes',
    says: [
      'SplitError: in one piece: expected the next bytes to be "HELLO 127.0.0.1\\nOK\\ngrün\\n", but not within 2000 ms',
      'arrived: 19 bytes',
      'text "HELLO 127.0.0.1\\nOK\\n"',
      'sent     34 bytes "SET colour grün\\r\\nGET colour\\nQUIT\\n"',
      'at split.test.ts:',
    ],
  },
  {
    name: 'each chunk becomes text by itself',
    edits: [
      [
        'codec: lines({ maxLength: 1_024 })',
        `codec: { decoder: () => ({ decode: (queue) => queue.takeChunk() }), ${sentAsLines} }`,
      ],
      instead(`  async received(conn: Connection<string>, chunk: Buffer) {
    const received = (conn.env['rest'] ?? '') + chunk.toString();
    const lines = received.split('\\n');
    conn.env['rest'] = lines.pop();
    for (const line of lines) await this.command(conn, line.trimEnd());
  }`),
    ],
    files: ['split'],
    test: 'understands its input in whatever pieces it comes',
    says: [
      'SplitError: split after byte 14 of 34: expected the next bytes',
      'something else arrived at byte 21',
      'gr\uFFFD\uFFFDn',
    ],
  },
  {
    name: 'the answer comes behind the hook',
    edits: [instead('  received(conn: Connection<string>, line: string) {\n    void this.command(conn, line);\n  }')],
    files: ['half-close'],
    test: 'answers a client that has ended its side',
    says: [
      'expected the next bytes to be "OK\\nblue\\n", but the server ended first',
      'text "OK\\n"',
      /sent {5}end\n.*received 3 bytes "OK\\n"\n.*received end/,
      'at half-close.test.ts:',
      'a timer (setTimeout) that still runs, started',
      'at Store.command (store.ts:',
    ],
  },
  {
    name: 'answers come when they are ready',
    edits: [
      [
        "conn.send((await this.table.get(key)) ?? 'NONE');",
        "void this.table.get(key).then((value) => conn.send(value ?? 'NONE'));",
      ],
    ],
    files: ['order'],
    test: 'answers in the order of the questions',
    says: [
      'expected the next bytes to be "the slow one\\nthe fast one\\n", but something else arrived at byte 4',
      'text "the fast one\\n"',
      'sent     18 bytes "GET slow\\nGET fast\\n"',
      'at order.test.ts:',
    ],
  },
  {
    name: 'all is sent at once',
    edits: [['if (!conn.send(each)) await conn.drained();', 'conn.send(each);']],
    files: ['slow'],
    test: 'waits for a client that reads slowly',
    says: [
      'BackpressureError: expected the application to wait for a client that does not read, but more than 1048576 bytes wait to be sent',
      'where send() returns false, await conn.drained()',
      /bytes wait for connection \d+ of Store, from 127\.0\.0\.1:\d+, connected at slow\.test\.ts:/,
      'send() returned false, and more was sent',
      'at Store.command (store.ts:',
      'at slow.test.ts:',
    ],
  },
  {
    name: 'a slow watcher is kept',
    edits: [['      if (watcher.bytesWaiting > 1_000_000) watcher.reset();\n', '']],
    files: ['slow'],
    test: 'drops a watcher that does not read',
    says: ['BackpressureError: expected', 'reset a client that is too slow', 'at Store.#tell (store.ts:'],
  },
  {
    name: 'a timer goes on',
    edits: [['    clearInterval(this.#watchers.get(conn));\n', '']],
    files: ['waiting'],
    test: 'tells watchers, and forgets those that leave',
    says: [
      'LeftoverError: the test application has stopped, and left over:',
      'a timer (setInterval) that still runs, started',
      'at Store.command (store.ts:',
      "createTestApp(…, { allow: ['timers'] })",
    ],
  },
  {
    name: 'who has left is still in the list',
    edits: [['    this.#watchers.delete(conn);\n', '']],
    files: ['memory'],
    test: 'forgets a watcher that has left',
    says: [
      'LeakError: expected closed connections to be forgotten, but 2000 ms later something still holds 1 of them, such as a Set, a Map',
      /connection \d+ of Store, from 127\.0\.0\.1:\d+, connected at memory\.test\.ts:/,
    ],
  },
  {
    name: 'a hook waits for ever',
    edits: [[' 10_000));\n', ' 10_000));\n      await new Promise(() => {});\n']],
    files: ['memory'],
    test: 'forgets a watcher that has left',
    says: [
      'expected the next bytes to be "HELLO 127.0.0.1\\nOK\\n", but not within 2000 ms',
      'text "HELLO 127.0.0.1\\n"',
      /connection \d+ of Store, from .*, connected at memory\.test\.ts:.*: it did not end by itself; its @OnData has not ended/,
      /@OnData of Store still runs, although connection \d+ is closed; conn\.signal is aborted then/,
    ],
  },
  {
    name: 'a connection stays open',
    edits: [['      conn.close();\n    } else {', '    } else {']],
    files: ['first'],
    test: 'gives what was set',
    says: ['expected the connection to be closed, but not within 2000 ms', 'connection: open'],
  },
  {
    name: 'a connection is cut off before all was sent',
    edits: [["conn.send('BYE');\n    conn.close();", "conn.send('BYE');\n    conn.reset();"]],
    files: ['matchers'],
    test: 'says goodbye',
    says: ['expected text that matches /BYE/, but the server reset the connection', 'received reset'],
  },
  {
    name: 'a promise is forgotten',
    edits: [['await this.table.set(key, value);', 'void this.table.set(key, value);']],
    files: ['failures'],
    test: 'says so when it cannot store a value, and closes',
    says: [
      'expected the next bytes to be "ERROR\\n", but something else arrived at byte 0',
      'text "OK\\n"',
      'the server logged:',
      'a rejection that nobody handles, which ends a process, in what @OnData of Store has started: await it, return it, or catch it',
      'RangeError: disk full',
      'at BrokenTable.set (failures.test.ts:',
      'at Store.command (store.ts:',
      'LeftoverError: the test application has stopped, and left over:',
      'a rejection that nobody handles',
    ],
  },
  {
    name: 'there is no time limit',
    edits: [[', timeouts: { idle: 60_000 }', '']],
    files: ['time'],
    test: 'closes a client that has said nothing for a minute',
    says: ['expected the next bytes to be "ERROR\\n", but not within 2000 ms', 'connection: open; to Store, in memory'],
  },
];

const correct = 'without a bug';

let outcome: ReadonlyMap<string, readonly GuideTest[]>;

beforeAll(async () => {
  outcome = await runGuide([{ name: correct }, ...bugs]);
}, 240_000);

it('every test of the guide passes', () => {
  const tests = outcome.get(correct) ?? [];
  expect(tests.filter(({ passed }) => !passed)).toEqual([]);
  expect(tests.length).toBeGreaterThan(25);
});

describe.each(bugs)('where $name', ({ name, test, says }) => {
  it(`the test "${test}" fails with what leads to it`, () => {
    const found = outcome.get(name)?.find((each) => each.name === test);
    expect(found).toMatchObject({ passed: false });
    let rest = found?.failure ?? '';
    for (const words of says) {
      // Shows the whole message where it is not as expected.
      expect(rest).toMatch(words);
      const end = typeof words === 'string' ? rest.indexOf(words) + words.length : endOf(words, rest);
      rest = rest.slice(end);
    }
  });
});

function endOf(pattern: RegExp, text: string): number {
  const found = pattern.exec(text);
  return found === null ? 0 : found.index + found[0].length;
}
