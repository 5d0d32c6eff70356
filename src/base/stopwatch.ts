import type { Clock } from "./clock.ts";

/** Measures the time in which it runs, however often it is started and stopped. */
export class Stopwatch {
  readonly #clock: Clock;
  #since: number | undefined;
  #totalMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  start(): void {
    this.#since ??= this.#clock.now();
  }

  /** Gives all the time so far. */
  stop(): number {
    if (this.#since !== undefined) this.#totalMs += this.#clock.now() - this.#since;
    this.#since = undefined;
    return this.#totalMs;
  }
}
