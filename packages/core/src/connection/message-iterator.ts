/** Iterates over what a connection receives. Ending the iteration leaves the connection as it is. */
export class MessageIterator<In> implements AsyncIterableIterator<In> {
  readonly #receive: () => Promise<IteratorResult<In>>;
  #over = false;

  constructor(receive: () => Promise<IteratorResult<In>>) {
    this.#receive = receive;
  }

  next(): Promise<IteratorResult<In>> {
    return this.#over ? this.return() : this.#receive();
  }

  return(): Promise<IteratorResult<In>> {
    this.#over = true;
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<In> {
    return this;
  }
}
