/** Counts the messages of all three servers: one instance per application, injected into each. */
export class MessageCounter {
  #total = 0;

  get total(): number {
    return this.#total;
  }

  count(): void {
    this.#total++;
  }
}
