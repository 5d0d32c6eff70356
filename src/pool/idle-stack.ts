import type { Entry } from "./entry.ts";

/**
 * Idle entries, the last used on top: the few that a load needs stay warm and the rest grow old enough to be
 * closed. Linked through the entries themselves, so that any of them can leave in constant time.
 */
export class IdleStack<T> {
  #top: Entry<T> | undefined = undefined;
  #bottom: Entry<T> | undefined = undefined;
  #size = 0;

  get top(): Entry<T> | undefined {
    return this.#top;
  }

  /** The entry that has been idle the longest. */
  get bottom(): Entry<T> | undefined {
    return this.#bottom;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds an entry where its `usedAt` belongs: on top, unless it was only being validated. */
  add(entry: Entry<T>): void {
    let above: Entry<T> | undefined;
    let below = this.#top;
    while (below !== undefined && below.usedAt > entry.usedAt) {
      above = below;
      below = below.below;
    }
    entry.below = below;
    entry.above = above;
    if (below === undefined) this.#bottom = entry;
    else below.above = entry;
    if (above === undefined) this.#top = entry;
    else above.below = entry;
    this.#size++;
  }

  remove(entry: Entry<T>): void {
    const { above, below } = entry;
    if (above === undefined) this.#top = below;
    else above.below = below;
    if (below === undefined) this.#bottom = above;
    else below.above = above;
    entry.above = undefined;
    entry.below = undefined;
    this.#size--;
  }
}
