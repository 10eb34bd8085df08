import { Logger } from '@reagent/core';

/** A logger that keeps what it gets, for tests that start an application without the test kit. */
export class CapturedLog extends Logger {
  readonly lines: string[] = [];

  override trace = this.#keep('trace');
  override debug = this.#keep('debug');
  override info = this.#keep('info');
  override warn = this.#keep('warn');
  override error = this.#keep('error');
  override fatal = this.#keep('fatal');

  #keep(level: string) {
    return (fields: object | string, message?: string) => {
      this.lines.push(`${level} ${typeof fields === 'string' ? fields : message}`);
    };
  }
}
