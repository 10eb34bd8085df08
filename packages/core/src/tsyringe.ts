// tsyringe, behind the polyfill that it asks for as soon as it is loaded. In one file, since a bundler keeps the order of imports within a
// file only: nothing else may import the one or the other.

import 'reflect-metadata';

export {
  container,
  type DependencyContainer,
  delay,
  type InjectionToken,
  inject,
  injectAll,
  injectable,
  Lifecycle,
  scoped,
} from 'tsyringe';
