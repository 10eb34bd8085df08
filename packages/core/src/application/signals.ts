import type { Logger } from '../telemetry/logger.js';

/** What of an application a signal acts upon. */
interface Obedient {
  readonly logger: Logger;
  stop(): Promise<void>;
  reload(): Promise<void>;
}

/** Those that end the application, with their numbers. */
const endings = { SIGTERM: 15, SIGINT: 2 } as const;
type Ending = keyof typeof endings;

const running = new Set<Obedient>();
let stopping = false;

/** Has SIGTERM and SIGINT stop an application, a second one end the process at once, and SIGHUP reload. Returns how to undo it. */
export function obeySignals(application: Obedient): () => void {
  if (running.size === 0) {
    for (const signal of Object.keys(endings)) process.on(signal, onEnding);
    process.on('SIGHUP', onHangUp);
  }
  running.add(application);
  return () => {
    running.delete(application);
    if (running.size > 0) return;
    stopping = false;
    for (const signal of Object.keys(endings)) process.off(signal, onEnding);
    process.off('SIGHUP', onHangUp);
  };
}

function onEnding(signal: Ending): void {
  // As a shell reports a process that the signal has killed.
  if (stopping) process.exit(128 + endings[signal]);
  stopping = true;
  for (const application of running) {
    application.logger.info({ signal }, 'stopping; once more to stop at once');
    application.stop().catch((error: unknown) => {
      application.logger.error({ err: error }, 'the application did not stop cleanly');
      process.exitCode = 1;
    });
  }
}

function onHangUp(signal: 'SIGHUP'): void {
  for (const application of running) {
    application.logger.info({ signal }, 'reloading');
    application.reload().catch((error: unknown) => {
      application.logger.error({ err: error }, 'not all could be reloaded; what could not stays as it was');
    });
  }
}
