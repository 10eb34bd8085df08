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

/** How long a start may go on after its application was stopped by a signal, in milliseconds. */
const UNFINISHED_START = 2_000;

/** What signals have asked for while an application started. */
interface Start {
  ended: boolean;
  reload: boolean;
}

const running = new Set<Obedient>();
const starts = new Map<Obedient, Start>();
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

/**
 * Starts an application that obeys signals from its first moment on: the first process of a container would not get them otherwise. One that
 * ends it meanwhile ends the process when all has stopped: that is no failure, and nobody could do anything with the application any more.
 *
 * @param start is given the function to call as soon as there is an application that can be stopped
 */
export async function startObedient<Started extends Obedient>(
  start: (begun: (application: Started) => void) => Promise<Started>,
): Promise<Started> {
  const asked: Start = { ended: false, reload: false };
  let begun: Started | undefined;
  try {
    const application = await start((beginning) => {
      begun = beginning;
      starts.set(beginning, asked);
      obeySignals(beginning);
    });
    if (!asked.ended) {
      if (asked.reload) reload(application);
      return application;
    }
  } catch (error) {
    if (!asked.ended) {
      if (begun !== undefined) forget(begun);
      throw error;
    }
  } finally {
    if (begun !== undefined) starts.delete(begun);
  }
  await Promise.all([...running].map(({ closed }) => closed));
  process.exit();
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
    // The second signal is for a start that goes on nevertheless.
    if (!starts.has(application)) forget(application);
  });
}

function forget(application: Obedient): void {
  if (!running.delete(application) || running.size > 0) return;
  stopping = false;
  for (const signal of Object.keys(endings)) process.off(signal, onEnding);
  process.off('SIGHUP', onHangUp);
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
  for (const [application, start] of starts) {
    start.ended = true;
    void application.closed.then(() => endUnfinished(application, signal));
  }
  stopAll();
}

/** A provider may take as long as it likes to be made, but not when it is not wanted any more. */
function endUnfinished(application: Obedient, signal: Ending): void {
  setTimeout(() => {
    if (!starts.has(application)) return;
    application.logger.warn('the start has not ended in time: ending the process');
    process.exit(128 + endings[signal]);
  }, UNFINISHED_START);
}

function onHangUp(signal: 'SIGHUP'): void {
  for (const application of running) {
    const start = starts.get(application);
    application.logger.info({ signal }, start === undefined ? 'reloading' : 'reloading as soon as all is up');
    if (start === undefined) reload(application);
    else start.reload = true;
  }
}

function reload(application: Obedient): void {
  application.reload().catch((error: unknown) => {
    // It ends before all is reloaded, as was wanted.
    if (stopping || !running.has(application)) return;
    application.logger.error({ err: error }, 'not all could be reloaded; what could not stays as it was');
  });
}

function onIgnored(): void {}
