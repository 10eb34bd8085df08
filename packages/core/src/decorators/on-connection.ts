import { type ConnectionHook, type MethodHookDecorator, recordHook } from './hooks.js';

/**
 * Marks the method that starts a connection: `method(conn)`.
 *
 * In a class with `@OnData` (push style) data flows once it has finished; until then it may use `conn.recv()`, to authenticate say. In
 * a class without (pull style) it owns the connection, which closes when it returns. If it returns an object whose class has hooks,
 * that object takes the connection over, as with `conn.handOver(owner)`. If it throws, this connection closes.
 *
 * @example
 * ```ts
 * @OnConnection()
 * async handle(conn: Connection) {
 *   for await (const chunk of conn) conn.send(chunk);
 * }
 * ```
 */
export function OnConnection(): MethodHookDecorator<ConnectionHook> {
  return (target, key) => recordHook('connection', target, key);
}
