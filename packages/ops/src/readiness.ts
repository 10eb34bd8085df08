import type { Application, ListenerStatus } from '@reagent/core';

/** Whether the application should be sent clients, and if not, why. */
export interface Readiness {
  readonly ready: boolean;
  /** One sentence for each thing that is in the way; empty when ready. */
  readonly reasons: readonly string[];
  readonly listeners: readonly { readonly name: string; readonly status: ListenerStatus }[];
}

/** Ready: there are listeners, and each of them listens. */
export function readinessOf(application: Application): Readiness {
  const listeners = application.listeners.map(({ name, status }) => ({ name, status }));
  const reasons = listeners
    .filter(({ status }) => status !== 'listening')
    .map(({ name, status }) => `${name} is ${status}`);
  // While it starts, and again when the last has stopped and providers are being disposed.
  if (listeners.length === 0) reasons.push('nothing listens: the application is starting or stopping');
  return { ready: reasons.length === 0, reasons, listeners };
}
