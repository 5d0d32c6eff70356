import type { Clock } from "./clock.ts";
import { FormDBError } from "./errors.ts";

/** How a caller bounds a call: by an abort signal, by a time, or by both. */
export interface CallOptions {
  /** Ends the call when it fires. Default none. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Milliseconds from the call to its end, waiting included. `Infinity` is no bound, and 0 is no time: the call fails unless it is
   * answered at once. Default no bound.
   */
  readonly timeoutMs?: number | undefined;
}

/** Neither signal nor time. */
export const NO_BOUNDS: CallOptions = Object.freeze({});

/** The bounds alone of options that say more. */
export function boundsOf({ signal, timeoutMs }: CallOptions): CallOptions {
  return signal === undefined && timeoutMs === undefined ? NO_BOUNDS : { signal, timeoutMs };
}

/** Whether a call has a signal or a time at all. */
export function isBounded({ signal, timeoutMs = Infinity }: CallOptions): boolean {
  return signal !== undefined || timeoutMs !== Infinity;
}

/** The bounds of a call that has waited for so long already. */
export function remaining(bounds: CallOptions, waitedMs: number): CallOptions {
  if (bounds.timeoutMs === undefined) return bounds;
  return { signal: bounds.signal, timeoutMs: Math.max(1, bounds.timeoutMs - waitedMs) };
}

/** The time of a call that is made in parts, one after the other: each is given what the ones before it have left. */
export class TimeOfParts {
  readonly #what: string;
  readonly #bounds: CallOptions;
  readonly #clock: Clock;
  readonly #start: number;

  constructor(what: string, bounds: CallOptions, clock: Clock) {
    this.#what = what;
    this.#bounds = bounds;
    this.#clock = clock;
    this.#start = clock.now();
  }

  /** The bounds of the next part. Throws if there is no time left for it. */
  next(): CallOptions {
    const { signal, timeoutMs = Infinity } = this.#bounds;
    if (timeoutMs === Infinity) return this.#bounds;
    const leftMs = timeoutMs - (this.#clock.now() - this.#start);
    if (leftMs <= 0) throw timeoutError(this.#what, timeoutMs);
    return { signal, timeoutMs: leftMs };
  }

  /** The error of the call for that of a part: a part whose time ran out knows only of what was left for it. */
  errorOf(error: unknown): unknown {
    const { timeoutMs = Infinity } = this.#bounds;
    if (timeoutMs === Infinity || !(error instanceof FormDBError) || error.code !== "FORMDB_TIMEOUT")
      return error;
    const { message } = timeoutError(this.#what, timeoutMs);
    const { retryable, outcome } = error;
    const details = outcome === undefined ? { timeoutMs } : { timeoutMs, outcome };
    return new FormDBError(error.code, message, { cause: error, retryable, details });
  }
}

/** The error for a call that its signal ended. The signal's reason is the cause. */
export function abortedError(what: string, signal: AbortSignal): FormDBError {
  return new FormDBError("FORMDB_ABORTED", `${what} was aborted by its signal`, { cause: signal.reason });
}

/** Throws if the signal has fired. */
export function throwIfAborted(what: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(what, signal);
}

/**
 * Settles as `work` does, unless the signal fires or the time runs out first. The work itself goes on:
 * only the wait for it ends. Listeners and timers are gone when the result settles.
 */
export function bounded<T>(what: string, work: Promise<T>, clock: Clock, bounds: CallOptions): Promise<T> {
  if (!isBounded(bounds)) return work;
  const { signal, timeoutMs = Infinity } = bounds;
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => settle(() => reject(abortedError(what, signal!)));
    const timer =
      timeoutMs === Infinity
        ? undefined
        : clock.schedule(() => settle(() => reject(timeoutError(what, timeoutMs))), timeoutMs);
    function settle(finish: () => void): void {
      timer?.cancel();
      signal?.removeEventListener("abort", onAbort);
      finish();
    }
    work.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    );
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * What a source gives, until the signal fires: that ends the wait for a source that is idle too, which is told, and not waited
 * for.
 */
export async function* untilAborted<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  let isOpen = true;
  try {
    while (!signal?.aborted) {
      isOpen = false;
      const next = await (signal === undefined
        ? iterator.next()
        : unlessAborted(Promise.resolve(iterator.next()), signal));
      isOpen = next?.done !== true;
      if (next === undefined || next.done) return;
      yield next.value;
    }
  } finally {
    // It may give what is no promise, as `for await` takes it.
    if (isOpen) Promise.resolve(iterator.return?.()).catch(() => {});
  }
}

/** What `work` gives; undefined if the signal fires first. A race with one promise of the signal's would hold all that it gave. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => resolve(undefined);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/** The error for a call whose time ran out. */
export function timeoutError(what: string, timeoutMs: number): FormDBError {
  return new FormDBError("FORMDB_TIMEOUT", `${what} did not end within its ${Math.ceil(timeoutMs)} ms`, {
    details: { timeoutMs },
  });
}
