import type { FormDBError } from "../base/errors.ts";
import type { Feeder } from "./feeder.ts";
import type { Operation } from "./operation.ts";

/**
 * What the processor holds, against its limits, and the calls that wait for room, first come first served: a
 * call does not overtake another, so that the operations of an id keep the order of the calls.
 */
export class Holding {
  readonly limits: { readonly maxQueued: number; readonly maxQueuedBytes: number };
  readonly #maxWaiting: number;
  #waiters: Feeder[] = [];
  #feeding = false;
  count = 0;
  bytes = 0;

  constructor(maxQueued: number, maxQueuedBytes: number, maxWaiting: number) {
    this.limits = { maxQueued, maxQueuedBytes };
    this.#maxWaiting = maxWaiting;
  }

  get waiting(): number {
    return this.#waiters.length;
  }

  get idle(): boolean {
    return this.count === 0 && this.#waiters.length === 0;
  }

  /** One that is larger than the limit has room where it is alone. */
  hasRoom(bytes: number): boolean {
    const { maxQueued, maxQueuedBytes } = this.limits;
    return this.count < maxQueued && (this.bytes + bytes <= maxQueuedBytes || this.count === 0);
  }

  take(bytes: number): boolean {
    if (!this.hasRoom(bytes)) return false;
    this.force(bytes);
    return true;
  }

  /** Takes what can't be refused. */
  force(bytes: number): void {
    this.count++;
    this.bytes += bytes;
  }

  free(bytes: number): void {
    this.count--;
    this.bytes -= bytes;
  }

  /** Lets a call add, now or in its turn. */
  start(feeder: Feeder): "done" | "waits" | "refused" {
    if (this.#waiters.length === 0 && !this.#feeding) {
      // While a source is read it may itself call the processor: that call comes after.
      this.#feeding = true;
      const fed = feeder.feed();
      this.#feeding = false;
      if (fed === "done") {
        this.admit();
        return "done";
      }
      this.#waiters.unshift(feeder);
      return "waits";
    }
    if (this.#waiters.length >= this.#maxWaiting) return "refused";
    this.#waiters.push(feeder);
    return "waits";
  }

  /** Lets those who wait add, as there is room. */
  admit(): void {
    if (this.#feeding) return;
    this.#feeding = true;
    let fed = 0;
    while (fed < this.#waiters.length && this.#waiters[fed]!.feed() === "done") fed++;
    if (fed > 0) this.#waiters.splice(0, fed);
    this.#feeding = false;
  }

  /** Ends all waiting calls. */
  refuseAll(error: FormDBError, onEach: (operation: Operation) => void): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const feeder of waiters) feeder.refuseRest(error, onEach);
  }
}
