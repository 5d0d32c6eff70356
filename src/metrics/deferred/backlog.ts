/**
 * Work that is put off until somebody reads: what was recorded and is not counted yet. Putting off the same work again
 * before then changes nothing.
 */
export class Backlog {
  readonly #work: Set<() => void> = new Set();

  putOff(work: () => void): void {
    this.#work.add(work);
  }

  /** Does what was put off. Whoever reads calls it first. */
  settle(): void {
    if (this.#work.size === 0) return;
    const due = [...this.#work];
    this.#work.clear();
    for (const work of due) work();
  }
}
