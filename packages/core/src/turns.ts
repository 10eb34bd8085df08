/** Operations that wait for each other: each starts when the one before it has ended, however it ended. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(operation: () => Promise<T>): Promise<T> {
    const done = this.#last.then(operation);
    this.#last = done.catch(() => {
      // Whoever asked for it gets the error; the next operation starts from what has become of it.
    });
    return done;
  }
}
