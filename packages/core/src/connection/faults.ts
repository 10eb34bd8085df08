// Whose fault it is, and what may not own a connection.

import { hooksOf } from '../decorators/hooks.js';
import type { Constructor } from '../decorators/metadata.js';
import {
  FrameTooLongError,
  InvalidMessageError,
  type ReagentError,
  TimeoutError,
  TlsError,
  UnexpectedEndError,
} from '../errors.js';
import type { CloseKind } from './connection.js';

/** Whether a reader sees the end of the stream rather than an error. */
export function isOrderly(kind: CloseKind): boolean {
  return kind === 'client' || kind === 'server' || kind === 'shutdown';
}

/** Whether an error is the client's doing rather than a fault in what serves it. */
export function isOfTheClient(error: Error): error is ReagentError {
  return (
    error instanceof TimeoutError ||
    error instanceof TlsError ||
    error instanceof UnexpectedEndError ||
    error instanceof FrameTooLongError ||
    error instanceof InvalidMessageError
  );
}

/** Why an object cannot own a connection; `undefined` if it can. */
export function faultOfOwner(owner: unknown): string | undefined {
  const target: unknown = typeof owner === 'object' && owner !== null ? owner.constructor : undefined;
  if (typeof target !== 'function' || target === Object) {
    return `cannot own a connection: it takes an object of a class that has a method with @OnConnection or @OnData`;
  }
  const { className, connection, data } = hooksOf(target as Constructor);
  if (connection !== undefined || data !== undefined) return undefined;
  return `cannot own a connection: give ${className} a method with @OnConnection or @OnData`;
}
