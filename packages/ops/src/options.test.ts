import { ConfigurationError } from '@reagent/core';
import { describe, expect, it } from 'vitest';
import { checkOptions } from './options.js';

function problemsOf(options: unknown): string[] {
  try {
    checkOptions(options);
  } catch (error) {
    if (error instanceof ConfigurationError) {
      return error.problems.map(({ where, path, message }) => `${where} ${path}: ${message}`);
    }
    throw error;
  }
  return [];
}

describe('the options', () => {
  it('have defaults for all but the port', () => {
    expect(checkOptions({ port: 9464 })).toEqual({ port: 9464, host: '127.0.0.1', path: '', title: 'reagent' });
  });

  it.each([
    ['/', ''],
    ['/ops', '/ops'],
    ['/ops/', '/ops'],
    ['/a/b-c_d.e~f', '/a/b-c_d.e~f'],
  ])('take the path %s', (path, expected) => {
    expect(checkOptions({ port: 0, path }).path).toBe(expected);
  });

  it.each([
    [undefined, 'Ops.forRoot() : expected options such as { port: 9464 }, received nothing'],
    [9464, 'Ops.forRoot() : expected options such as { port: 9464 }, received 9464'],
    [{}, 'Ops.forRoot() port: expected an integer from 0 to 65535, received nothing'],
    [
      { port: '9464' },
      "Ops.forRoot() port: expected an integer from 0 to 65535, received '9464'; turn it into a number with Number()",
    ],
    [{ port: 65_536 }, 'Ops.forRoot() port: expected an integer from 0 to 65535, received 65536'],
    [{ port: -1 }, 'Ops.forRoot() port: expected an integer from 0 to 65535, received -1'],
    [{ port: 80.5 }, 'Ops.forRoot() port: expected an integer from 0 to 65535, received 80.5'],
    [{ port: 0, host: '' }, "Ops.forRoot() host: expected an address or host name such as '127.0.0.1', received ''"],
    [
      { port: 0, path: 'ops' },
      expect.stringMatching(/^Ops.forRoot\(\) path: expected a path such as '\/ops', .*, received 'ops'$/),
    ],
    [{ port: 0, path: '/a//b' }, expect.stringMatching(/received '\/a\/\/b'$/)],
    [{ port: 0, path: '/a b?' }, expect.stringMatching(/received '\/a b\?'$/)],
    [{ port: 0, title: '' }, "Ops.forRoot() title: expected a name of 1 to 80 characters, received ''"],
    [{ port: 0, prefix: '/ops' }, 'Ops.forRoot() prefix: is no option of it; it has port, host, path, title'],
  ])('%o are refused', (options, problem) => {
    expect(problemsOf(options)).toEqual([problem]);
  });

  it('are told all that is wrong with them at once', () => {
    expect(problemsOf({ port: -1, host: 1, colour: 'red' })).toHaveLength(3);
  });
});
