/**
 * What there is for each host name: for exact ones, and for wildcards such as `*.example.com`, which stand for exactly one label, so that
 * neither `example.com` nor `a.b.example.com` is meant. An exact name wins. Case and a trailing dot do not matter.
 */
export class ServerNames<T> {
  readonly #exact = new Map<string, T>();
  /** By what follows `*.`. */
  readonly #wildcards = new Map<string, T>();

  /** Of names that mean the same, the last one counts. */
  constructor(entries: Iterable<readonly [name: string, value: T]> = []) {
    for (const [name, value] of entries) {
      const plain = plainName(name);
      if (plain.startsWith('*.')) this.#wildcards.set(plain.slice(2), value);
      else this.#exact.set(plain, value);
    }
  }

  /** What is there for the name that a client asks for. Takes the same time however many names there are. */
  get(name: string): T | undefined {
    const plain = plainName(name);
    const exact = this.#exact.get(plain);
    if (exact !== undefined || this.#wildcards.size === 0) return exact;
    const dot = plain.indexOf('.');
    return dot > 0 ? this.#wildcards.get(plain.slice(dot + 1)) : undefined;
  }

  /** How many names there are, each wildcard being one. */
  get size(): number {
    return this.#exact.size + this.#wildcards.size;
  }
}

/** A host name as it is compared. */
export function plainName(name: string): string {
  return (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase();
}
