import { expect, test } from 'vitest';
import { readOptions, UsageError } from '../src/options.js';

test('without arguments the ports begin at 8080, on all interfaces', () => {
  expect(readOptions([], {})).toEqual({
    help: false,
    port: 8080,
    host: undefined,
    tls: false,
    workers: undefined,
    ops: undefined,
  });
});

test('--port wins over PORT', () => {
  expect(readOptions([], { PORT: '9000' }).port).toBe(9000);
  expect(readOptions(['--port', '9001'], { PORT: '9000' }).port).toBe(9001);
  expect(readOptions(['-p', '0'], { PORT: '9000' }).port).toBe(0);
});

test('an empty PORT is none', () => {
  expect(readOptions([], { PORT: '' }).port).toBe(8080);
});

test('--host names the address', () => {
  expect(readOptions(['--host', '127.0.0.1'], {}).host).toBe('127.0.0.1');
});

test.each(['http', '-1', '1.5', '65534', '99999999', '', '0x50'])('port %j is refused with the reason', (port) => {
  expect(() => readOptions([`--port=${port}`], {})).toThrow(/^--port must be a whole number from 0 to 65533, got /);
});

test('--tls asks for one more server, which needs one more port', () => {
  expect(readOptions(['--tls'], {}).tls).toBe(true);
  expect(readOptions(['--tls', '--port', '65532'], {}).port).toBe(65_532);
  expect(() => readOptions(['--tls', '--port', '65533'], {})).toThrow(/from 0 to 65532/);
});

test('--workers says how many processes serve', () => {
  expect(readOptions(['--workers', '2'], {}).workers).toBe(2);
  expect(readOptions(['-w', 'auto'], {}).workers).toBe('auto');
});

test.each(['0', '-1', '1.5', 'all', ''])('%j workers are refused with the reason', (workers) => {
  expect(() => readOptions([`--workers=${workers}`], {})).toThrow(/^--workers must be a whole number from 1 to 999/);
});

test('a wrong PORT is refused by its name', () => {
  expect(() => readOptions([], { PORT: 'http' })).toThrow(/^PORT must be a whole number/);
});

test('an unknown option and a stray argument are refused', () => {
  expect(() => readOptions(['--prot', '1'], {})).toThrow(UsageError);
  expect(() => readOptions(['9000'], {})).toThrow(UsageError);
});

test('--ops names the port of operations', () => {
  expect(readOptions(['--ops', '9464'], {}).ops).toBe(9464);
  expect(() => readOptions(['--ops', 'yes'], {})).toThrow(/^--ops must be a whole number from 0 to 65535, got "yes"/);
});
