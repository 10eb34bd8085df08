import { type DataHook, type MethodHookDecorator, recordHook } from './hooks.js';

/**
 * Marks the method that gets what arrives, one message of the codec at a time: `method(conn, message)`.
 *
 * While a promise that it returned is pending, nothing more is read from this connection.
 *
 * @example
 * ```ts
 * @OnData()
 * echo(conn: Connection, data: Buffer) {
 *   conn.send(data);
 * }
 * ```
 */
export function OnData(): MethodHookDecorator<DataHook> {
  return (target, key) => recordHook('data', target, key);
}
