import type { PoolCore } from "./core.ts";
import type { Returning } from "./returning.ts";
import type { Supply } from "./supply.ts";

/**
 * Brings idle entries and callers together and has opened what is missing, until nothing changes any more.
 * Safe to run from anywhere, from inside itself too: the run in progress then goes round once more.
 */
export class Pump<T> {
  readonly #core: PoolCore<T>;
  readonly #returning: Returning<T>;
  readonly #supply: Supply<T>;
  #running = false;
  #again = false;

  constructor(core: PoolCore<T>, returning: Returning<T>, supply: Supply<T>) {
    this.#core = core;
    this.#returning = returning;
    this.#supply = supply;
  }

  run(): void {
    this.#again = true;
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#again) {
        this.#again = false;
        this.#serve();
        this.#supply.grow();
      }
    } finally {
      this.#running = false;
    }
    this.#core.whole.settleEnds();
  }

  #serve(): void {
    const core = this.#core;
    const { queue, roster } = core;
    if (queue.length === 0) return;
    const now = core.settings.clock.now();
    while (queue.length > core.checking) {
      const entry = roster.best(queue.peek()!.particulars?.prefer);
      if (entry === undefined) return;
      roster.take(entry);
      if (core.needsProof(entry.provenAt, now) && entry.expiresAt > now) this.#returning.prove(entry, now);
      else this.#returning.free(entry, now);
    }
  }
}
