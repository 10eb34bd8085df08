// What is said when an application is asked for something that it does not have.

import { type Constructor, nameOf } from '../decorators/metadata.js';
import { StateError } from '../errors.js';
import type { Listener } from '../listener/listener.js';
import { thereAre } from './descriptors.js';

export function missingListener(asked: string | Constructor, listeners: readonly Listener[]): StateError {
  const which = typeof asked === 'function' ? `of ${nameOf(asked)}` : `named ${String(asked)}`;
  return new StateError(`there is no listener ${which}; ${thereAre(listeners.map(({ name }) => name))}`);
}

export function missingProviders(): StateError {
  return new StateError(
    'the application is not up yet: its providers are being made, one of which asks for another through it',
  );
}
