/**
 * What a listener or a connection carries for its users, such as a session's name. Declare your own keys by merging:
 *
 * ```ts
 * declare module '@reagent/core' {
 *   interface Environment {
 *     user?: string;
 *   }
 * }
 * ```
 */
export interface Environment {
  [key: string]: unknown;
}

/** A listener's environment: the descriptor's values, and nothing inherited that a key could be mistaken for. */
export function rootEnvironment(values: Readonly<Record<string, unknown>>): Environment {
  return Object.assign(Object.create(null) as Environment, values);
}

/** A connection's environment: writes stay its own, reads fall back to the listener's. */
export function childEnvironment(parent: Environment): Environment {
  return Object.create(parent) as Environment;
}
