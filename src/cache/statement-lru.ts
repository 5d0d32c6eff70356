import { configError, integer, show } from "../base/options.ts";

/** Why a statement left its `StatementLru`. */
export type StatementRemovalReason = "evicted" | "replaced" | "deleted" | "cleared";

/**
 * The prepared statements of one connection by name, at most `maxSize` of them, least recently used out first. Whatever
 * leaves, for whatever reason, is handed to `onEvict` exactly once, after it has left, so that it can be closed.
 * When the connection itself is gone there is nothing to close: just drop the whole.
 */
export class StatementLru<T> {
  readonly #maxSize: number;
  readonly #onEvict: (name: string, value: T, reason: StatementRemovalReason) => void;
  /** In order of use, the least recent first: a `Map` keeps the order in which its keys came in. */
  readonly #values = new Map<string, T>();
  #newest: string | undefined;

  constructor(
    maxSize: number,
    onEvict: (name: string, value: T, reason: StatementRemovalReason) => void = () => {},
  ) {
    const wanted = integer(1)(maxSize);
    if (wanted !== undefined) {
      throw configError(`StatementLru's maxSize must be ${wanted}, not ${show(maxSize)}`, "maxSize", maxSize);
    }
    this.#maxSize = maxSize;
    this.#onEvict = onEvict;
  }

  get size(): number {
    return this.#values.size;
  }

  get(name: string): T | undefined {
    const value = this.#values.get(name);
    if (value === undefined || name === this.#newest) return value;
    this.#values.delete(name);
    this.#values.set(name, value);
    this.#newest = name;
    return value;
  }

  /** Whether the statement is there. Refreshes nothing. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  set(name: string, value: T): void {
    const old = this.#values.get(name);
    this.#values.delete(name);
    this.#values.set(name, value);
    this.#newest = name;
    if (old !== undefined && old !== value) this.#onEvict(name, old, "replaced");
    if (this.#values.size > this.#maxSize) this.#evictOldest();
  }

  /** Says whether the statement was there. */
  delete(name: string): boolean {
    return this.#take(name, "deleted");
  }

  /** Takes all out. Where closing one fails the others are closed all the same; the first failure is thrown. */
  clear(): void {
    const failures: unknown[] = [];
    for (const name of [...this.#values.keys()]) {
      try {
        this.#take(name, "cleared");
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  #evictOldest(): void {
    for (const name of this.#values.keys()) {
      this.#take(name, "evicted");
      return;
    }
  }

  #take(name: string, reason: StatementRemovalReason): boolean {
    const value = this.#values.get(name);
    if (value === undefined) return false;
    this.#values.delete(name);
    if (name === this.#newest) this.#newest = undefined;
    this.#onEvict(name, value, reason);
    return true;
  }
}
