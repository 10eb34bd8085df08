import { type AcceptHook, recordHook } from './hooks.js';

/**
 * Marks the method that decides whether to take a client: `method(incoming, listener)`.
 *
 * It runs before TLS and before a byte is read, and may be async. It refuses with `incoming.reject()` or by throwing. The only hook
 * that may be static; with `scope: 'connection'` it has to be, for no instance exists yet.
 *
 * @example
 * ```ts
 * @OnAccept()
 * static admit(incoming: Incoming) {
 *   if (blocked.has(incoming.remote.address)) incoming.reject();
 * }
 * ```
 */
export function OnAccept(): <M extends AcceptHook>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<M>,
) => void {
  return (target, key) => recordHook('accept', target, key);
}
