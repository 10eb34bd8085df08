/** A first-in-first-out queue from which any entry can be taken in constant time. */
export class Fifo<T> {
  readonly #entries = new Map<T, Node<T>>();
  #first: Node<T> | undefined;
  #last: Node<T> | undefined;

  get size(): number {
    return this.#entries.size;
  }

  /** The entries in order. */
  [Symbol.iterator](): IterableIterator<T> {
    return this.#entries.keys();
  }

  push(entry: T): void {
    const node: Node<T> = { entry, previous: this.#last, next: undefined };
    this.#entries.set(entry, node);
    if (this.#last === undefined) this.#first = node;
    else this.#last.next = node;
    this.#last = node;
  }

  /** Takes the entry that has been here longest. */
  shift(): T | undefined {
    const node = this.#first;
    if (node === undefined) return undefined;
    this.delete(node.entry);
    return node.entry;
  }

  /** Takes an entry out of turn; returns whether it was here. */
  delete(entry: T): boolean {
    const node = this.#entries.get(entry);
    if (node === undefined) return false;
    this.#entries.delete(entry);
    if (node.previous === undefined) this.#first = node.next;
    else node.previous.next = node.next;
    if (node.next === undefined) this.#last = node.previous;
    else node.next.previous = node.previous;
    return true;
  }
}

interface Node<T> {
  readonly entry: T;
  previous: Node<T> | undefined;
  next: Node<T> | undefined;
}
