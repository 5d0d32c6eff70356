import type { CacheRemovalReason } from "../base/observer.ts";
import type { Entry } from "./entry.ts";
import { RecencyList } from "./recency-list.ts";

/** Decides which entry makes room when room is needed. It knows the entries of one cache, and each once. */
export interface EvictionOrder<Plan> extends Iterable<Entry<Plan>> {
  /** An entry is new in the cache. */
  add(entry: Entry<Plan>): void;
  /** An entry was found, or got a new plan. */
  use(entry: Entry<Plan>): void;
  /** A text was looked for and had no entry. */
  miss(hash: number): void;
  remove(entry: Entry<Plan>): void;
  /** The entry that should leave next; there must be one. It stays until it is removed. */
  victim(): Entry<Plan>;
  /** What to call the leaving of that victim. */
  reasonFor(victim: Entry<Plan>): Extract<CacheRemovalReason, "evicted" | "rejected">;
  /** Room enough has been made: what was added and is still there may settle in. */
  settle(): void;
  clear(): void;
}

/** Least recently used first: the order of `admission: "always"`. */
export class LruOrder<Plan> implements EvictionOrder<Plan> {
  readonly #list = new RecencyList<Plan>();

  add(entry: Entry<Plan>): void {
    this.#list.add(entry);
  }

  use(entry: Entry<Plan>): void {
    this.#list.use(entry);
  }

  miss(): void {}

  remove(entry: Entry<Plan>): void {
    this.#list.remove(entry);
  }

  victim(): Entry<Plan> {
    return this.#list.oldest!;
  }

  reasonFor(): "evicted" {
    return "evicted";
  }

  settle(): void {}

  clear(): void {
    this.#list.clear();
  }

  /** From the most to the least recently used. */
  [Symbol.iterator](): Iterator<Entry<Plan>> {
    return this.#list[Symbol.iterator]();
  }
}
