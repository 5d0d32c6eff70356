/** Lets one write on a document's id be sent once the one before it is answered, so that ids keep their order. */
export class WritesInOrder {
  readonly #last: Map<string, Promise<unknown>> = new Map();

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

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.#last.size > 0) await Promise.all(this.#last.values());
  }
}
