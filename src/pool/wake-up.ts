import { type Clock, MAX_DELAY_MS, type Timer } from "../base/clock.ts";

/**
 * A timer that keeps the process running is set for no longer than this, so that a process whose work is
 * done ends soon after the last caller was served. It is also how often a blocked event loop is noticed.
 */
const MAX_KEEP_ALIVE_MS = 500;
/** A timer that fires later than this was held up: the event loop was blocked, or the process stopped. */
const STALL_MS = 100;

/**
 * The one timer of a pool. It is set for the first thing that falls due and moved only when something
 * falls due sooner: what was cancelled meanwhile costs one needless look. While somebody waits for the
 * pool it keeps the process running, else not.
 */
export class WakeUp {
  readonly #clock: Clock;
  readonly #onWake: (lateMs: number) => void;
  #timer: Timer | undefined = undefined;
  #dueAt = Infinity;
  #keepsAlive = false;
  #ended = false;

  constructor(clock: Clock, onWake: (lateMs: number) => void) {
    this.#clock = clock;
    this.#onWake = onWake;
  }

  /** Makes sure that the pool wakes up at `at` at the latest. */
  by(at: number, keepAlive: boolean, now: number): void {
    if (this.#ended) return;
    if (keepAlive && at > now + MAX_KEEP_ALIVE_MS) at = now + MAX_KEEP_ALIVE_MS;
    if (at >= this.#dueAt && (this.#keepsAlive || !keepAlive)) return;
    if (at === Infinity) return;
    this.#timer?.cancel();
    this.#dueAt = Math.min(at, this.#dueAt);
    this.#keepsAlive ||= keepAlive;
    const delayMs = Math.min(MAX_DELAY_MS, Math.max(0, Math.ceil(this.#dueAt - now)));
    this.#timer = this.#clock.schedule(this.#fire, delayMs, { keepAlive: this.#keepsAlive });
  }

  /** Cheap question for busy paths: would waking by `at` change anything? */
  isLaterThan(at: number): boolean {
    return this.#dueAt > at;
  }

  /** Whether a timer so late says that the process could not run. */
  static isStall(lateMs: number): boolean {
    return lateMs >= STALL_MS;
  }

  get keepsAlive(): boolean {
    return this.#keepsAlive;
  }

  end(): void {
    this.#ended = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  readonly #fire = (): void => {
    const lateMs = Math.max(0, this.#clock.now() - this.#dueAt);
    this.#timer = undefined;
    this.#dueAt = Infinity;
    this.#keepsAlive = false;
    this.#onWake(lateMs);
  };
}
