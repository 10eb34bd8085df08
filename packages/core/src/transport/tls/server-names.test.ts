import { describe, expect, it } from 'vitest';
import { ServerNames } from './server-names.js';

const names = new ServerNames([
  ['example.com', 'exact'],
  ['*.example.com', 'wildcard'],
  ['mail.example.com', 'mail'],
  ['Dotted.Test.', 'dotted'],
  ['*.Wild.Test.', 'wild'],
]);

describe('ServerNames', () => {
  it.each([
    ['example.com', 'exact'],
    ['www.example.com', 'wildcard'],
    ['mail.example.com', 'mail'],
    ['dotted.test', 'dotted'],
    ['a.wild.test', 'wild'],
  ])('finds %s, whatever its case, with a dot at its end or without', (name, value) => {
    expect(names.get(name)).toBe(value);
    expect(names.get(name.toUpperCase())).toBe(value);
    expect(names.get(`${name}.`)).toBe(value);
  });

  it.each([
    ['a.b.example.com', 'a wildcard is one label'],
    ['wild.test', 'a wildcard is a label'],
    ['.example.com', 'a label is not empty'],
    ['badexample.com', 'a wildcard ends at a dot'],
    ['com', 'it is a parent'],
    ['other.test', 'it is unknown'],
    ['', 'it is empty'],
    ['.', 'it is empty'],
  ])('does not find %j, since %s', (name) => {
    expect(names.get(name)).toBeUndefined();
  });

  it('counts its names', () => {
    expect(names.size).toBe(5);
    expect(new ServerNames().size).toBe(0);
    expect(new ServerNames().get('example.com')).toBeUndefined();
  });
});
