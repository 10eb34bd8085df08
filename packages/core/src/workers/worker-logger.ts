import { Logger } from '../telemetry/logger.js';

type Level = keyof Logger;

/** What pino's loggers have, and others: a logger that puts fields into each of its lines. */
interface Parent {
  child(fields: object): Logger;
}

function isParent(logger: Logger): logger is Logger & Parent {
  return typeof (logger as Partial<Parent>).child === 'function';
}

/** A logger whose lines say which worker they come from. */
export function workerLogger(logger: Logger, worker: number): Logger {
  return isParent(logger) ? logger.child({ worker }) : new WorkerLogger(logger, worker);
}

class WorkerLogger extends Logger {
  readonly #logger: Logger;
  readonly #worker: number;

  constructor(logger: Logger, worker: number) {
    super();
    this.#logger = logger;
    this.#worker = worker;
  }

  override trace = this.#forward('trace');
  override debug = this.#forward('debug');
  override info = this.#forward('info');
  override warn = this.#forward('warn');
  override error = this.#forward('error');
  override fatal = this.#forward('fatal');

  #forward(level: Level): (fields: object | string, message?: string) => void {
    return (fields, message) => {
      const worker = this.#worker;
      if (typeof fields === 'string') this.#logger[level]({ worker }, fields);
      // As pino has it, an error may stand for the fields.
      else if (fields instanceof Error) this.#logger[level]({ worker, err: fields }, message ?? fields.message);
      else this.#logger[level]({ worker, ...fields }, message);
    };
  }
}
