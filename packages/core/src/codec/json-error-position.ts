// Where a text stops being JSON. `JSON.parse` tells in some of its messages only, and not in all versions.

const blank = /[ \t\n\r]*/y;
const scalar = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/y;
const escaped = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or ]' | ', or }' | 'the end';

/** What JSON does not allow first in a text that is none: `position 5, where a value is expected`. */
export function jsonErrorPosition(text: string): string {
  const open: ('[' | '{')[] = [];
  let expected: Expected = 'value';
  for (let position = endOf(blank, text, 0); ; position = endOf(blank, text, position)) {
    const first = text.charAt(position);
    const found: string = first === '"' ? 'string' : first !== '' && '{}[]:,'.includes(first) ? first : 'scalar';
    const next: Expected | undefined = after(found, expected, open);
    const end =
      found === 'string'
        ? endOfString(text, position)
        : found === 'scalar'
          ? endOf(scalar, text, position)
          : position + 1;
    if (next === undefined || end === position) return `position ${position}, where ${described(expected)} is expected`;
    if (end < 0) return `position ${-end}, inside a string`;
    expected = next;
    position = end;
  }
}

/** The index behind what `pattern` matches from `index` on; `index` if that is nothing. */
function endOf(pattern: RegExp, text: string, index: number): number {
  pattern.lastIndex = index;
  return pattern.test(text) ? pattern.lastIndex : index;
}

/** The index behind a string; where it has a character that it may not have, or ends too early, that index negated. */
function endOfString(text: string, start: number): number {
  let position = start + 1;
  for (;;) {
    const code = text.charCodeAt(position);
    if (code === 0x22) return position + 1;
    const end = code === 0x5c ? endOf(escaped, text, position) : code >= 0x20 ? position + 1 : position;
    if (end === position) return -position;
    position = end;
  }
}

/** What may come behind a token; `undefined` if the token may not come. */
function after(found: string, expected: Expected, open: ('[' | '{')[]): Expected | undefined {
  switch (expected) {
    case 'value':
    case 'value or ]':
      if (found === ']' && expected === 'value or ]') return close(open);
      if (found === 'string' || found === 'scalar') return afterValue(open);
      if (found !== '[' && found !== '{') return undefined;
      open.push(found);
      return found === '[' ? 'value or ]' : 'key or }';
    case 'key':
    case 'key or }':
      if (found === '}' && expected === 'key or }') return close(open);
      return found === 'string' ? ':' : undefined;
    case ':':
      return found === ':' ? 'value' : undefined;
    case ', or ]':
      return found === ',' ? 'value' : found === ']' ? close(open) : undefined;
    case ', or }':
      return found === ',' ? 'key' : found === '}' ? close(open) : undefined;
    case 'the end':
      return undefined;
  }
}

function close(open: ('[' | '{')[]): Expected {
  open.pop();
  return afterValue(open);
}

function afterValue(open: readonly ('[' | '{')[]): Expected {
  const innermost = open[open.length - 1];
  if (innermost === undefined) return 'the end';
  return innermost === '[' ? ', or ]' : ', or }';
}

function described(expected: Expected): string {
  return expected.startsWith('value') || expected.startsWith('key') ? `a ${expected}` : expected;
}
