/** So many invalidated tags are remembered by name. */
export const MAX_REMEMBERED_TAGS = 1_000;

/**
 * When each tag was last invalidated, on a scale that counts invalidations: the epoch. What was made at an epoch is
 * stale once one of its tags has been invalidated after it. Nothing has to be visited when a tag is
 * invalidated, whoever meets a stale thing finds out.
 *
 * Memory is bounded: of the tags invalidated longest ago only the epoch of the youngest is kept, and whatever
 * is older than that and has tags counts as stale. That may compile a plan once too often, but never serves a stale one.
 */
export class TagEpochs {
  readonly #invalidatedAt = new Map<string, number>();
  #current = 0;
  #forgottenUntil = 0;

  get current(): number {
    return this.#current;
  }

  invalidate(tag: string): void {
    this.#current++;
    // Deleting first keeps the map in order of invalidation, oldest first.
    this.#invalidatedAt.delete(tag);
    this.#invalidatedAt.set(tag, this.#current);
    if (this.#invalidatedAt.size > MAX_REMEMBERED_TAGS) this.#forgetOldest();
  }

  /** Whether one of the tags was invalidated after the epoch, or may have been. */
  changedSince(epoch: number, tags: readonly string[]): boolean {
    if (epoch === this.#current || tags.length === 0) return false;
    if (epoch < this.#forgottenUntil) return true;
    return tags.some((tag) => (this.#invalidatedAt.get(tag) ?? 0) > epoch);
  }

  #forgetOldest(): void {
    for (const [tag, epoch] of this.#invalidatedAt) {
      this.#invalidatedAt.delete(tag);
      this.#forgottenUntil = epoch;
      return;
    }
  }
}
