import type { Entry } from "./entry.ts";
import { RecencyList } from "./recency-list.ts";

/**
 * The entries that last had to make room, as many as the cache may hold, without their texts and plans. It tells
 * a plan that was pushed out from one that was never seen, and what a cache of twice the size would have done: with
 * LRU, the cache and its ghosts together are exactly the entries of that bigger cache (Mattson's stack property).
 */
export class GhostList<Plan> {
  readonly #maxSize: number;
  readonly #byHash = new Map<number, Entry<Plan>>();
  readonly #list = new RecencyList<Plan>();

  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  get size(): number {
    return this.#list.size;
  }

  find(hash: number): Entry<Plan> | undefined {
    return this.#byHash.get(hash);
  }

  use(ghost: Entry<Plan>): void {
    this.#list.use(ghost);
  }

  /** Takes in an entry that has left the cache. */
  add(entry: Entry<Plan>): void {
    entry.text = "";
    entry.plan = undefined;
    this.forget(entry.hash);
    this.#byHash.set(entry.hash, entry);
    this.#list.add(entry);
    if (this.#list.size > this.#maxSize) this.forget(this.#list.oldest!.hash);
  }

  forget(hash: number): void {
    const ghost = this.#byHash.get(hash);
    if (ghost === undefined) return;
    this.#byHash.delete(hash);
    this.#list.remove(ghost);
  }

  clear(): void {
    this.#byHash.clear();
    this.#list.clear();
  }
}
