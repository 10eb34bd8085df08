import { type MethodHookDecorator, recordHook, type TimeoutHook } from './hooks.js';

/**
 * Marks the method that is asked when a connection was idle for `timeouts.idle`: `method(conn)`.
 *
 * If it returns `'keep'` the time starts anew, otherwise the connection closes with reason `timeout`.
 *
 * @example
 * ```ts
 * @OnTimeout()
 * ping(conn: Connection) {
 *   conn.send('ping\n');
 *   return 'keep' as const;
 * }
 * ```
 */
export function OnTimeout(): MethodHookDecorator<TimeoutHook> {
  return (target, key) => recordHook('timeout', target, key);
}
