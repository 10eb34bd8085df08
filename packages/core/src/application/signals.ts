import type { Logger } from '../telemetry/logger.js';

/** What of an application a signal acts upon. */
interface Obedient {
  readonly logger: Logger;
  readonly closed: Promise<void>;
  stop(): Promise<void>;
  reload(): Promise<void>;
  /** Ends the other processes that it has, at once. */
  kill?(): void;
}

/** Those that end the application, with their numbers. */
const endings = { SIGTERM: 15, SIGINT: 2 } as const;
type Ending = keyof typeof endings;

const running = new Set<Obedient>();
let stopping = false;
let isWorker = false;

/**
 * In a worker, what a terminal sends to all processes is for the supervisor alone: Ctrl-C (SIGINT) and the end of the terminal (SIGHUP). From
 * now on, they do nothing here.
 */
export function leaveSignalsToSupervisor(): void {
  isWorker = true;
  process.on('SIGINT', onIgnored);
  process.on('SIGHUP', onIgnored);
}

/** Until it has stopped, has SIGTERM and SIGINT stop an application, a second one end the process at once, and SIGHUP reload. */
export function obeySignals(application: Obedient): void {
  if (running.size === 0) {
    process.on('SIGTERM', onEnding);
    if (!isWorker) {
      process.on('SIGINT', onEnding);
      process.on('SIGHUP', onHangUp);
    }
  }
  running.add(application);
  void application.closed.then(() => {
    running.delete(application);
    if (running.size > 0) return;
    stopping = false;
    for (const signal of Object.keys(endings)) process.off(signal, onEnding);
    process.off('SIGHUP', onHangUp);
  });
}

/** Stops every application that obeys signals. */
export function stopAll(): void {
  for (const application of running) {
    application.stop().catch((error: unknown) => {
      application.logger.error({ err: error }, 'the application did not stop cleanly');
      process.exitCode = 1;
    });
  }
}

function onEnding(signal: Ending): void {
  if (stopping) {
    for (const application of running) application.kill?.();
    // As a shell reports a process that the signal has killed.
    process.exit(128 + endings[signal]);
  }
  stopping = true;
  for (const { logger } of running) logger.info({ signal }, 'stopping; once more to stop at once');
  stopAll();
}

function onHangUp(signal: 'SIGHUP'): void {
  for (const application of running) {
    application.logger.info({ signal }, 'reloading');
    application.reload().catch((error: unknown) => {
      // It ends before all is reloaded, as was wanted.
      if (stopping || !running.has(application)) return;
      application.logger.error({ err: error }, 'not all could be reloaded; what could not stays as it was');
    });
  }
}

function onIgnored(): void {}
