import type { Logger } from '../telemetry/logger.js';

/** What of an application a signal acts upon. */
interface Stoppable {
  readonly logger: Logger;
  stop(): Promise<void>;
}

const signals = { SIGTERM: 15, SIGINT: 2 } as const;
type Signal = keyof typeof signals;

const running = new Set<Stoppable>();
let stopping = false;

/** Has SIGTERM and SIGINT stop an application; a second one ends the process at once. Returns how to undo it. */
export function stopOnSignals(application: Stoppable): () => void {
  if (running.size === 0) {
    for (const signal of Object.keys(signals)) process.on(signal, onSignal);
  }
  running.add(application);
  return () => {
    running.delete(application);
    if (running.size > 0) return;
    stopping = false;
    for (const signal of Object.keys(signals)) process.off(signal, onSignal);
  };
}

function onSignal(signal: Signal): void {
  // As a shell reports a process that the signal has killed.
  if (stopping) process.exit(128 + signals[signal]);
  stopping = true;
  for (const application of running) {
    application.logger.info({ signal }, 'stopping; once more to stop at once');
    application.stop().catch((error: unknown) => {
      application.logger.error({ err: error }, 'the application did not stop cleanly');
      process.exitCode = 1;
    });
  }
}
