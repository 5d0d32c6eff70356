import type { Entry } from "./entry.ts";

const ENDS = 0;
const NEWER = 0;
const OLDER = 1;
const FIRST_CAPACITY = 16;

/**
 * Entries from the most to the least recently used. All operations are O(1), and only growing allocates.
 *
 * The links are not in the entries but side by side in one typed array, two for each slot: moving an entry to the front
 * writes to three neighbours, which as objects would be anywhere in memory, each write with the garbage collector's
 * barrier. A slot is the even number at which its links begin; slot 0 stands for both ends of the ring, so that nobody has
 * to ask whether there is a neighbour.
 */
export class RecencyList<Plan> {
  #entries: (Entry<Plan> | undefined)[] = [undefined];
  #links = new Int32Array(2 * FIRST_CAPACITY);
  /** The first free slot; its link to the newer leads to the next one. `ENDS` where none is free. */
  #free = ENDS;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get oldest(): Entry<Plan> | undefined {
    return this.#entries[this.#links[NEWER]! >> 1];
  }

  /** Takes in an entry that is in no list. */
  add(entry: Entry<Plan>): void {
    const slot = this.#takeSlot();
    entry.slot = slot;
    this.#entries[slot >> 1] = entry;
    this.#linkNewest(this.#links, slot);
    this.#size++;
  }

  /** Takes out an entry that is in this list. */
  remove(entry: Entry<Plan>): void {
    const { slot } = entry;
    this.#unlink(this.#links, slot);
    this.#entries[slot >> 1] = undefined;
    this.#links[slot + NEWER] = this.#free;
    this.#free = slot;
    this.#size--;
  }

  /** Makes an entry of this list the most recent one. */
  use(entry: Entry<Plan>): void {
    const { slot } = entry;
    const links = this.#links;
    if (links[OLDER] !== slot) {
      this.#unlink(links, slot);
      this.#linkNewest(links, slot);
    }
  }

  /** Forgets all entries at once. */
  clear(): void {
    this.#entries = [undefined];
    this.#links = new Int32Array(2 * FIRST_CAPACITY);
    this.#free = ENDS;
    this.#size = 0;
  }

  *[Symbol.iterator](): Generator<Entry<Plan>> {
    for (let slot = this.#links[OLDER]!; slot !== ENDS; slot = this.#links[slot + OLDER]!) {
      yield this.#entries[slot >> 1]!;
    }
  }

  #unlink(links: Int32Array, slot: number): void {
    const newer = links[slot + NEWER]!;
    const older = links[slot + OLDER]!;
    links[newer + OLDER] = older;
    links[older + NEWER] = newer;
  }

  #linkNewest(links: Int32Array, slot: number): void {
    const second = links[OLDER]!;
    links[slot + NEWER] = ENDS;
    links[slot + OLDER] = second;
    links[second + NEWER] = slot;
    links[OLDER] = slot;
  }

  #takeSlot(): number {
    const slot = this.#free;
    if (slot !== ENDS) {
      this.#free = this.#links[slot + NEWER]!;
      return slot;
    }
    const next = 2 * this.#entries.push(undefined) - 2;
    if (next === this.#links.length) {
      const grown = new Int32Array(2 * next);
      grown.set(this.#links);
      this.#links = grown;
    }
    return next;
  }
}
