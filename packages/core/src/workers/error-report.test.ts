import { describe, expect, it } from 'vitest';
import { ConfigurationError, ListenError, ProviderError, ReagentError, StateError, TlsError } from '../errors.js';
import { describeError, restoreError } from './error-report.js';

/** What the other process gets. */
function sent(error: unknown): Error {
  return restoreError(JSON.parse(JSON.stringify(describeError(error))));
}

const taken = Object.assign(new Error('bind EADDRINUSE'), { code: 'EADDRINUSE' });

describe('an error that another process is told of', () => {
  it.each([
    new ConfigurationError([{ where: 'Echo', path: 'port', message: 'is missing' }]),
    new ListenError('Echo', '127.0.0.1:80', taken),
    new ProviderError({ token: 'Store', module: 'AppModule', chain: ['Echo', 'Store'], reason: 'no', cause: taken }),
    new ProviderError({ token: 'Store', reason: 'it has thrown: no' }),
    new StateError('not now'),
    new ReagentError('ERR_REAGENT_WORKER', 'gone'),
    new TypeError('that is none'),
    taken,
    new AggregateError([new Error('one'), new StateError('two')], 'several'),
  ])('is of the same kind there, and says the same: $name', (error) => {
    const restored = sent(error);
    expect(restored).toMatchObject({ name: error.name, message: error.message, stack: error.stack });
    if (error instanceof ReagentError) expect(restored).toBeInstanceOf(error.constructor);
    expect((restored as { code?: unknown }).code).toBe((error as { code?: unknown }).code);
    expect(restored.cause).toEqual(error.cause);
  });

  it('has the fields that its class has', () => {
    expect(sent(new ListenError('Echo', '[::]:80', taken))).toMatchObject({ listener: 'Echo', address: '[::]:80' });
    const problems = [{ where: 'Echo', path: '', message: 'is none' }];
    expect(sent(new ConfigurationError(problems))).toMatchObject({ problems });
    expect((sent(new AggregateError([new StateError('no')])) as AggregateError).errors[0]).toBeInstanceOf(StateError);
  });

  it('of another class of reagent keeps its name and code', () => {
    const restored = sent(new TlsError('version'));
    expect(restored).toBeInstanceOf(ReagentError);
    expect(restored).toMatchObject({ name: 'TlsError', code: 'ERR_REAGENT_TLS' });
  });

  it('may be anything that was thrown', () => {
    expect(sent('no').message).toBe('no');
    expect(sent(undefined).message).toBe('undefined');
  });

  it('whose causes go round in circles has an end', () => {
    const error = new Error('again');
    error.cause = error;
    expect(sent(error).message).toBe('again');
  });
});
