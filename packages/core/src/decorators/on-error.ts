import { type ErrorHook, type MethodHookDecorator, recordHook } from './hooks.js';

/**
 * Marks the method that learns why a connection fails: `method(conn, error)`.
 *
 * Called with what a hook threw, and with errors of the codec, TLS and time limits. The connection closes afterwards.
 *
 * @example
 * ```ts
 * @OnError()
 * failed(conn: Connection, error: Error) {
 *   conn.send(`ERR ${error.message}\n`);
 * }
 * ```
 */
export function OnError(): MethodHookDecorator<ErrorHook> {
  return (target, key) => recordHook('error', target, key);
}
