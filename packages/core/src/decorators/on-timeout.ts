import { type MethodHookDecorator, recordHook, type TimeoutHook } from './hooks.js';

/**
 * Marks the method that is asked when a connection was idle for `timeouts.idle`: `method(conn)`.
 *
 * If it returns `'keep'` the time starts anew, if it returns nothing the connection closes with reason `timeout`; any other value is
 * an error of the connection.
 *
 * @example
 * ```ts
 * @OnTimeout()
 * ping(conn: Connection) {
 *   conn.send('ping\n');
 *   return 'keep';
 * }
 * ```
 */
export function OnTimeout(): MethodHookDecorator<TimeoutHook> {
  return (target, key) => recordHook('timeout', target, key);
}
