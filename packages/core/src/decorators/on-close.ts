import { type CloseHook, type MethodHookDecorator, recordHook } from './hooks.js';

/**
 * Marks the method that learns that a connection is over: `method(conn, reason)`.
 *
 * Called exactly once for each connection whose `@OnConnection` stage was entered, after every other hook of it.
 *
 * @example
 * ```ts
 * @OnClose()
 * bye(conn: Connection, reason: CloseReason) {
 *   this.log.info({ connection: conn.id, reason: reason.kind }, 'closed');
 * }
 * ```
 */
export function OnClose(): MethodHookDecorator<CloseHook> {
  return (target, key) => recordHook('close', target, key);
}
