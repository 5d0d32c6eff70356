import { FormDBError } from "../base/errors.ts";

/** A call that waits for room. */
export interface Waiter {
  /** Adds what there is room for: `full` if there is more. */
  feed(): "done" | "full";
  /** Ends the waiting: what is left is handed back with the error. */
  giveBack(error: FormDBError): void;
}

/** What a processor may hold. */
export interface RoomLimits {
  readonly maxQueued: number;
  readonly maxQueuedBytes: number;
  /** The most calls that wait. */
  readonly maxWaiting: number;
}

/**
 * The places for operations, queued and in flight, and the calls that wait for one, first come, first served: a
 * call does not overtake another, so that the operations of an id keep the order of the calls.
 */
export class Room {
  readonly #limits: RoomLimits;
  #waiters: Waiter[] = [];
  #feeding = false;
  #full: FormDBError | undefined;
  #onIdle: (() => void) | undefined;
  count = 0;
  bytes = 0;

  constructor(limits: RoomLimits) {
    this.#limits = limits;
  }

  get waiting(): number {
    return this.#waiters.length;
  }

  /** Whether no more calls may wait. */
  get lineIsFull(): boolean {
    return this.#waiters.length >= this.#limits.maxWaiting;
  }

  /** Whether an operation would have a place now. One that is larger than the limit has one if it is alone. */
  hasPlaceFor(bytes: number): boolean {
    const { maxQueued, maxQueuedBytes } = this.#limits;
    return this.count < maxQueued && (this.bytes + bytes <= maxQueuedBytes || this.count === 0);
  }

  /** Whether a call must wait, be its operations as small as can be. */
  get mustWait(): boolean {
    return this.#waiters.length > 0 || this.#feeding || !this.hasPlaceFor(0);
  }

  take(bytes: number): void {
    this.count++;
    this.bytes += bytes;
  }

  free(bytes: number): void {
    this.count--;
    this.bytes -= bytes;
    this.#checkIdle();
  }

  /**
   * The error for what finds neither room nor a place to wait. One for all that is refused in a tick: there may be
   * millions.
   */
  get fullError(): FormDBError {
    if (this.#full === undefined) {
      const { maxQueued, maxQueuedBytes, maxWaiting } = this.#limits;
      this.#full = new FormDBError(
        "FORMDB_QUEUE_FULL",
        `The write was refused: the batch queue holds the maxQueued (${maxQueued} operations) or maxQueuedBytes ` +
          `(${maxQueuedBytes}) that it may, and this call does not wait, or maxWaiting (${maxWaiting}) calls do`,
        { details: { maxQueued, maxQueuedBytes, maxWaiting, outcome: "rejected", attempts: 0 } },
      );
      queueMicrotask(() => {
        this.#full = undefined;
      });
    }
    return this.#full;
  }

  /** Lets a call add what there is room for, now, and the rest in its turn if it may wait. True if it has added all. */
  start(waiter: Waiter, mayWait: boolean): boolean {
    // While a source is read it may itself call the processor: that call comes after.
    const isNext = this.#waiters.length === 0 && !this.#feeding;
    // One that can't wait comes between what was read of the source and what will be.
    if (this.#feeding && !mayWait && this.#waiters.length === 1) return waiter.feed() === "done";
    if (isNext || mayWait) this.#waiters.push(waiter);
    if (!isNext) return false;
    this.#feeding = true;
    const isDone = waiter.feed() === "done";
    this.#feeding = false;
    if (isDone || !mayWait) this.#waiters.shift();
    if (isDone) this.admit();
    return isDone;
  }

  /** Lets those who wait add, as there is room. */
  admit(): void {
    if (this.#feeding) return;
    this.#feeding = true;
    let fed = 0;
    while (fed < this.#waiters.length && this.#waiters[fed]!.feed() === "done") fed++;
    if (fed > 0) this.#waiters.splice(0, fed);
    this.#feeding = false;
    this.#checkIdle();
  }

  /** Takes a call out of the line. False if it is not in it, or while one is fed: then it leaves when its turn comes. */
  leave(waiter: Waiter): boolean {
    const place = this.#feeding ? -1 : this.#waiters.indexOf(waiter);
    if (place === -1) return false;
    this.#waiters.splice(place, 1);
    return true;
  }

  /** Ends all waiting. */
  giveBackAll(error: FormDBError): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.giveBack(error);
  }

  /** Resolves when nothing is held and nobody waits. May be called once. */
  whenIdle(): Promise<void> {
    return new Promise((resolve) => {
      this.#onIdle = resolve;
      this.#checkIdle();
    });
  }

  #checkIdle(): void {
    if (this.count === 0 && this.#waiters.length === 0) this.#onIdle?.();
  }
}
