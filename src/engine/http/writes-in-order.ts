/** Lets one write on a document's id be sent once the one before it is answered, so that ids keep their order. */
export class WritesInOrder {
  readonly #last = new Map<string, Promise<unknown>>();
  /** Writes of several requests, between which none may be under way. */
  readonly #batches = new Set<Promise<unknown>>();

  /** Runs a write of these ids of a collection. */
  run<T>(collection: string, ids: Iterable<string>, write: () => Promise<T>): Promise<T> {
    const keys = Array.from(new Set(ids), (id) => `${collection}\0${id}`);
    const before = keys.map((key) => this.#last.get(key)).filter((one) => one !== undefined);
    const written = before.length === 0 ? write() : Promise.all(before).then(write);
    const settled: Promise<unknown> = written
      .catch(() => {})
      .then(() => {
        for (const key of keys) if (this.#last.get(key) === settled) this.#last.delete(key);
      });
    for (const key of keys) this.#last.set(key, settled);
    return written;
  }

  /** Notes a write of several requests, each of which is run. */
  async batch<T>(write: Promise<T>): Promise<T> {
    this.#batches.add(write);
    try {
      return await write;
    } finally {
      this.#batches.delete(write);
    }
  }

  /** Resolves when all writes that have begun by now have ended, in whatever way. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#last.values(), ...this.#batches]);
  }
}
