import { bounded } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { FormDBError } from "../base/errors.ts";

/** How long closing waits for calls under way if it is given no deadline. */
const CLOSE_WITHIN_MS = 30_000;

/**
 * The reads, streams, transactions and changes of the schema that are under way, so that closing can wait for them.
 * No pool knows of all of them: a call may ask for its connection late, or for several one after the other.
 */
export class CallsUnderWay {
  readonly #clock: Clock;
  #count = 0;
  #closing = false;
  #cut = false;
  #onAllEnded: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(): void {
    this.#count++;
  }

  end(): void {
    this.#count--;
    if (this.#count === 0) this.#onAllEnded?.();
  }

  /** Runs a call to its end, or to that of the database. */
  run<T>(work: () => Promise<T>): Promise<T> {
    return this.track((async () => work())());
  }

  /** Counts a call that is under way to its end. */
  track<T>(call: Promise<T>): Promise<T> {
    this.#count++;
    return call.then(
      (result) => {
        this.end();
        return result;
      },
      (error: unknown) => {
        this.end();
        throw this.whyEnded(error);
      },
    );
  }

  /**
   * Waits until all have ended, at most for the deadline. Resolves to whether they have; those that have not are to be
   * cut by closing their connections.
   */
  async close(deadlineMs: number = CLOSE_WITHIN_MS): Promise<boolean> {
    this.#closing = true;
    if (this.#count > 0) {
      const allEnded = new Promise<void>((resolve) => {
        this.#onAllEnded = resolve;
      });
      await bounded("Closing", allEnded, this.#clock, { timeoutMs: deadlineMs }).catch(() => {});
    }
    this.#cut = true;
    return this.#count === 0;
  }

  /** Throws once calls have been cut: for streams, which may hold no connection while their caller works on a row. */
  refuseIfCut(): void {
    if (this.#cut) throw closedError(undefined);
  }

  /** What a call's caller is told: that the database was closed, and not how the call met it. */
  whyEnded(error: unknown): unknown {
    if (!this.#closing || !(error instanceof FormDBError)) return error;
    const { code } = error;
    return code === "FORMDB_CONNECTION_LOST" || code === "FORMDB_POOL_CLOSED" ? closedError(error) : error;
  }
}

/** A write that was cut keeps what is known of its outcome. */
function closedError(cause: FormDBError | undefined): FormDBError {
  const outcome = cause?.outcome;
  const unknown = outcome === "unknown" ? "; whether its write took place is not known" : "";
  return new FormDBError(
    "FORMDB_CLOSED",
    `The call was cut short: the database was closed while it was under way${unknown}`,
    { cause, details: outcome === undefined ? {} : { outcome } },
  );
}
