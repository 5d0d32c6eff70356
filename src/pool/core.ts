import { guardObservers, POOL_EVENTS, type PoolObserver } from "../base/observer.ts";
import { refused } from "./failures.ts";
import {
  type PoolOptions,
  type PoolSettings,
  type PoolSize,
  resized,
  settingsOf,
  sizeOf,
} from "./options.ts";
import { PoolCounts, type PoolState } from "./stats.ts";
import { Tasks } from "./tasks.ts";
import { WakeUp } from "./wake-up.ts";

const NEXT: Readonly<Record<PoolState, readonly PoolState[]>> = {
  paused: ["ready", "draining", "closing"],
  ready: ["paused", "draining", "closing"],
  draining: ["paused", "ready", "closing"],
  closing: ["closed"],
  closed: [],
};

/** What the parts of one pool share: settings, state and size, counters, running tasks and the one timer. */
export class PoolCore<T> {
  readonly settings: PoolSettings<T>;
  readonly observer: Required<PoolObserver>;
  readonly counts: PoolCounts = new PoolCounts();
  readonly tasks: Tasks;
  readonly wake: WakeUp;
  /**
   * Serves those who wait, opens what is missing, and ends a drain or the closing that is done. Whoever handles
   * an event from outside (a call, the end of a task, a lost connection, the timer) calls it when finished.
   */
  readonly advance: () => void;
  #state: PoolState;
  #size: PoolSize;

  /** Throws `FORMDB_CONFIG`. */
  constructor(options: PoolOptions<T>, advance: () => void, onWake: (lateMs: number) => void) {
    this.settings = settingsOf(options);
    this.#size = sizeOf(options);
    this.#state = this.settings.startPaused ? "paused" : "ready";
    this.observer = guardObservers<PoolObserver>(POOL_EVENTS, [options.observer]);
    this.tasks = new Tasks(advance);
    this.wake = new WakeUp(this.settings.clock, onWake);
    this.advance = advance;
  }

  get state(): PoolState {
    return this.#state;
  }

  /** Whether the pool ends for good, or has ended. */
  get closing(): boolean {
    return this.#state === "closing" || this.#state === "closed";
  }

  get size(): PoolSize {
    return this.#size;
  }

  /** The one way from a state to another. A pool that closes can't come back: `FORMDB_POOL_CLOSED`. */
  move(to: PoolState): void {
    if (!NEXT[this.#state].includes(to)) throw refused(this.#state === "closed" ? "closed" : "closing");
    this.#state = to;
  }

  /** Throws `FORMDB_CONFIG`. */
  resize(change: Partial<PoolSize>): void {
    this.#size = resized(this.#size, change);
  }
}
