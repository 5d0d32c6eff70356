import { Entry } from "./entry.ts";

/**
 * Entries from the most to the least recently used: a ring of intrusive links through one entry that stands
 * for both ends, so that no operation has to ask whether there is a neighbour. All are O(1) and allocate nothing.
 */
export class RecencyList<Plan> {
  readonly #ends: Entry<Plan> = new Entry<Plan>("", 0);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get oldest(): Entry<Plan> | undefined {
    const oldest = this.#ends.newer;
    return oldest === this.#ends ? undefined : oldest;
  }

  /** Takes in an entry that is in no list. */
  add(entry: Entry<Plan>): void {
    this.#linkNewest(entry);
    this.#size++;
  }

  /** Takes out an entry that is in this list. */
  remove(entry: Entry<Plan>): void {
    entry.newer.older = entry.older;
    entry.older.newer = entry.newer;
    entry.newer = entry;
    entry.older = entry;
    this.#size--;
  }

  /** Makes an entry of this list the most recent one. */
  use(entry: Entry<Plan>): void {
    if (this.#ends.older === entry) return;
    entry.newer.older = entry.older;
    entry.older.newer = entry.newer;
    this.#linkNewest(entry);
  }

  /** Forgets all entries at once. They must not be used with this list any more. */
  clear(): void {
    this.#ends.newer = this.#ends;
    this.#ends.older = this.#ends;
    this.#size = 0;
  }

  *[Symbol.iterator](): Generator<Entry<Plan>> {
    for (let entry = this.#ends.older; entry !== this.#ends; entry = entry.older) yield entry;
  }

  #linkNewest(entry: Entry<Plan>): void {
    const ends = this.#ends;
    entry.newer = ends;
    entry.older = ends.older;
    ends.older.newer = entry;
    ends.older = entry;
  }
}
