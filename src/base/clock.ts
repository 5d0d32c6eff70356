/** A timer that can be cancelled. */
export interface Timer {
  /** Keeps it from firing, if it has not. */
  cancel(): void;
}

/**
 * Time as a seam: whatever waits or measures takes a `Clock`, so that tests can replace it by a
 * manual one and never sleep.
 */
export interface Clock {
  /** Milliseconds on a scale that never goes back. Only differences mean something. */
  now(): number;
  /** Milliseconds since 1970, for what people and other machines read. */
  wallTime(): number;
  /**
   * Calls `callback` once, at the earliest after `delayMs`. With `keepAlive: false` the timer does not
   * keep the process running.
   */
  schedule(callback: () => void, delayMs: number, options?: { readonly keepAlive?: boolean }): Timer;
}

/** The longest delay that `setTimeout` takes; it turns a longer one into 1 ms. */
export const MAX_DELAY_MS: number = 2 ** 31 - 1;

/** A timer of the machine. A delay that is too long for one goes in several; one of `Infinity` never ends. */
class SystemTimer implements Timer {
  readonly #callback: () => void;
  readonly #keepAlive: boolean;
  #handle: ReturnType<typeof setTimeout>;

  constructor(callback: () => void, delayMs: number, keepAlive: boolean) {
    this.#callback = callback;
    this.#keepAlive = keepAlive;
    this.#handle = this.#start(delayMs);
  }

  #start(delayMs: number): ReturnType<typeof setTimeout> {
    const handle =
      delayMs > MAX_DELAY_MS
        ? setTimeout(() => {
            this.#handle = this.#start(delayMs - MAX_DELAY_MS);
          }, MAX_DELAY_MS)
        : setTimeout(this.#callback, delayMs);
    if (!this.#keepAlive) handle.unref();
    return handle;
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }
}

const realPerformance = performance;
const realSetTimeout = setTimeout;

/**
 * The machine's own time. Node's global `performance` is a getter that costs a quarter of the reading; it is asked
 * only where timers were replaced by a test's, so that time and timers stay those of one clock.
 */
export const systemClock: Clock = Object.freeze({
  now: (): number => (setTimeout === realSetTimeout ? realPerformance : performance).now(),
  wallTime: (): number => Date.now(),
  schedule: (callback: () => void, delayMs: number, options?: { readonly keepAlive?: boolean }): Timer =>
    new SystemTimer(callback, delayMs, options?.keepAlive ?? true),
});
