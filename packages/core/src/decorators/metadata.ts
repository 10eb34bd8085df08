// Where the decorators leave what they record, and how it is read back.

// For the polyfill, without which there is no metadata.
import '../tsyringe.js';
import type { InjectionToken } from '../tsyringe.js';

/** A class that can be instantiated. Its parameters are the container's business, so they may be anything. */
// biome-ignore lint/suspicious/noExplicitAny: with `unknown[]` no class that has parameters would be one
export type Constructor<T extends object = object> = new (...parameters: any[]) => T;

/** What something is injected by: a class, be it abstract or with a private constructor, a string or a symbol. */
export type Token<T = unknown> = InjectionToken<T> | { readonly prototype: T; readonly name: string };

/** `Symbol.for`, so that two copies of this package in one process read each other's classes. */
export const metadataKeys = {
  reagent: Symbol.for('reagent:reagent'),
  module: Symbol.for('reagent:module'),
  hooks: Symbol.for('reagent:hooks'),
  singleton: Symbol.for('reagent:singleton'),
} as const;

/** The name of a class for messages. */
export function nameOf(target: { readonly name: string }): string {
  return target.name === '' ? '(anonymous class)' : target.name;
}
