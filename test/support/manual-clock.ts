import type { Clock, Timer } from "../../src/base/clock.ts";

interface Scheduled {
  readonly callback: () => void;
  readonly dueMs: number;
  readonly order: number;
}

/** A clock that stands still until `advance` moves it. Timers fire in the order in which they are due. */
export class ManualClock implements Clock {
  #nowMs = 0;
  #order = 0;
  readonly #wallStartMs: number;
  readonly #timers = new Set<Scheduled>();

  constructor(wallStartMs = Date.UTC(2026, 0, 1)) {
    this.#wallStartMs = wallStartMs;
  }

  now(): number {
    return this.#nowMs;
  }

  wallTime(): number {
    return this.#wallStartMs + this.#nowMs;
  }

  schedule(callback: () => void, delayMs: number): Timer {
    const timer: Scheduled = { callback, dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++ };
    this.#timers.add(timer);
    return {
      cancel: () => {
        this.#timers.delete(timer);
      },
    };
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves time on, firing what falls due at its own moment; promises settle between two timers. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    for (;;) {
      const next = this.#next(endMs);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#nowMs = next.dueMs;
      next.callback();
      await settle();
    }
    this.#nowMs = endMs;
    await settle();
  }

  #next(endMs: number): Scheduled | undefined {
    let next: Scheduled | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs > endMs) continue;
      if (next === undefined || timer.dueMs < next.dueMs) next = timer;
      else if (timer.dueMs === next.dueMs && timer.order < next.order) next = timer;
    }
    return next;
  }
}

/** Lets chains of promises settle: they go on for as many microtasks as they are long. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 100; i++) await Promise.resolve();
}
