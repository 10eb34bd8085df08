import { type MethodHookDecorator, recordHook, type ShutdownHook } from './hooks.js';

/**
 * Marks the method that learns that the listener or the application stops: `method(conn)`.
 *
 * It is the place to say goodbye and `conn.close()`. A connection that has not closed by the end of the shutdown timeout is reset.
 *
 * @example
 * ```ts
 * @OnShutdown()
 * leave(conn: Connection) {
 *   conn.send('going down\n');
 *   conn.close();
 * }
 * ```
 */
export function OnShutdown(): MethodHookDecorator<ShutdownHook> {
  return (target, key) => recordHook('shutdown', target, key);
}
