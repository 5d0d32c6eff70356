/**
 * Counting that is put off until something is read (docs/decisions/0059-ended-queries-are-counted-together.md). Putting
 * the same work off twice is putting it off once.
 */
export class Backlog {
  readonly #work: Set<() => void> = new Set();

  putOff(work: () => void): void {
    this.#work.add(work);
  }

  /** Does the work. Every reader calls it first. */
  settle(): void {
    if (this.#work.size === 0) return;
    const due = [...this.#work];
    this.#work.clear();
    for (const work of due) work();
  }
}
