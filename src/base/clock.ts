/** A timer that can be cancelled. */
export interface Timer {
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

class SystemTimer implements Timer {
  readonly #handle: ReturnType<typeof setTimeout>;

  constructor(callback: () => void, delayMs: number, keepAlive: boolean) {
    this.#handle = setTimeout(callback, delayMs);
    if (!keepAlive) this.#handle.unref();
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }
}

/** The machine's own time. */
export const systemClock: Clock = Object.freeze({
  now: (): number => performance.now(),
  wallTime: (): number => Date.now(),
  schedule: (callback: () => void, delayMs: number, options?: { readonly keepAlive?: boolean }): Timer =>
    new SystemTimer(callback, delayMs, options?.keepAlive ?? true),
});
