import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  ConfigurationError,
  ConnectionClosedError,
  FrameTooLongError,
  InvalidMessageError,
  ListenError,
  ProfileError,
  ProviderError,
  ReagentError,
  StateError,
  TimeoutError,
  UnexpectedEndError,
} from './errors.js';

describe('every error', () => {
  const errors: Record<string, ReagentError> = {
    ConfigurationError: new ConfigurationError([]),
    ListenError: new ListenError('Echo', '0.0.0.0:80', Object.assign(new Error('bind'), { code: 'EACCES' })),
    ProviderError: new ProviderError({ token: 'Store', reason: 'no' }),
    TimeoutError: new TimeoutError('recv', 5),
    ConnectionClosedError: new ConnectionClosedError({ kind: 'client' }),
    UnexpectedEndError: new UnexpectedEndError(3),
    FrameTooLongError: new FrameTooLongError(16),
    InvalidMessageError: new InvalidMessageError([]),
    StateError: new StateError('no'),
    ProfileError: new ProfileError('no'),
  };

  test.each(Object.entries(errors))('%s is a ReagentError under its own name, in its stack too', (name, error) => {
    expect(error).toBeInstanceOf(ReagentError);
    expect(error.name).toBe(name);
    expect(error.stack).toMatch(new RegExp(`^${name}: `));
    expect(Object.keys(error)).not.toContain('name');
  });

  test('has a code of its own', () => {
    const codes = Object.values(errors).map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
  });
});

describe('ConfigurationError', () => {
  test('lists every problem on a line with its place', () => {
    const error = new ConfigurationError([
      { where: 'Echo', path: 'timeouts.idle', message: 'expected a number, received nothing' },
      { where: 'AppModule', path: '', message: 'imports itself' },
    ]);
    expect(error.message.split('\n')).toEqual([
      '2 problems in the application:',
      '  Echo, timeouts.idle: expected a number, received nothing',
      '  AppModule: imports itself',
    ]);
    expect(error.problems).toHaveLength(2);
  });
});

describe('ListenError', () => {
  test('has the code of the system error, the address, and a cure', () => {
    const cause = Object.assign(new Error('listen EADDRINUSE'), { code: 'EADDRINUSE' });
    const error = new ListenError('Echo', '127.0.0.1:8080', cause);
    expect(error).toMatchObject({ code: 'EADDRINUSE', listener: 'Echo', address: '127.0.0.1:8080', cause });
    expect(error.message).toMatch(/^Echo cannot listen on 127\.0\.0\.1:8080: .*port: 0 \(EADDRINUSE\)$/);
  });

  test('says what the system says where it knows no cure', () => {
    const error = new ListenError('Echo', 'fd 3', new Error('something rare'));
    expect(error.message).toBe('Echo cannot listen on fd 3: something rare');
    expect(error.code).toBe('ERR_REAGENT_LISTEN');
  });
});

describe('ProviderError', () => {
  test('names the token, the module and the chain of who asked', () => {
    const cause = new TypeError('boom');
    const error = new ProviderError({
      token: 'Store',
      module: 'AppModule',
      chain: ['Users', 'Store'],
      reason: 'boom',
      cause,
    });
    expect(error.message).toBe('Cannot make Store of AppModule (Users -> Store): boom');
    expect(error).toMatchObject({ token: 'Store', module: 'AppModule', chain: ['Users', 'Store'], cause });
  });

  test('has no cause where nothing was thrown', () => {
    expect('cause' in new ProviderError({ token: 'Store', reason: 'no' })).toBe(false);
  });
});

describe('errors of a connection', () => {
  test('a TimeoutError says what took too long', () => {
    const error = new TimeoutError('idle', 500);
    expect(error).toMatchObject({ step: 'idle', timeout: 500, message: 'nothing was received within 500 ms' });
  });

  test('a ConnectionClosedError carries the reason, and its error as the cause', () => {
    const failure = new Error('handler');
    const error = new ConnectionClosedError({ kind: 'error', error: failure });
    expect(error.reason.kind).toBe('error');
    expect(error.cause).toBe(failure);
    expect(inspect(error)).toContain('the connection is closed (error)');
  });

  test('an UnexpectedEndError says how far the message had come', () => {
    expect(new UnexpectedEndError(3, 8).message).toBe('the stream ended inside a message, after 3 of 8 bytes of it');
    expect(new UnexpectedEndError(3).message).toBe('the stream ended inside a message, after 3 bytes of it');
  });

  test('an InvalidMessageError shows the path of each issue', () => {
    const error = new InvalidMessageError([
      { path: ['users', 0, 'name'], message: 'too short' },
      { path: [], message: 'not an object' },
    ]);
    expect(error.message).toBe('invalid message: users.0.name: too short; not an object');
  });
});
