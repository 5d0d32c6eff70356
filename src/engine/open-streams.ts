import { bounded } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { FormDBError } from "../base/errors.ts";

/** How long closing waits for open streams if it is given no deadline: as long as for connections that are lent. */
const CLOSE_WITHIN_MS = 30_000;

/**
 * The streams that are open on no connection of their own. A pool waits for the connections that it has lent; these
 * streams hold none while their caller works on a row, so that closing waits for them here.
 */
export class OpenStreams {
  readonly #clock: Clock;
  #open = 0;
  #closing = false;
  #cut = false;
  #onAllEnded: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(): void {
    this.#open++;
  }

  end(): void {
    this.#open--;
    if (this.#open === 0) this.#onAllEnded?.();
  }

  /** Waits until all have ended, at most for the deadline. */
  async close(deadlineMs: number = CLOSE_WITHIN_MS): Promise<void> {
    this.#closing = true;
    if (this.#open > 0) {
      const allEnded = new Promise<void>((resolve) => {
        this.#onAllEnded = resolve;
      });
      await bounded("Closing", allEnded, this.#clock, { timeoutMs: deadlineMs }).catch(() => {});
    }
  }

  /** Ends those that are still open before their next row. */
  cut(): void {
    this.#cut = true;
  }

  refuseIfCut(): void {
    if (this.#cut) throw closedError(undefined);
  }

  /** What a stream's caller is told: that the database was closed, and not how the stream met it. */
  whyEnded(error: unknown): unknown {
    if (!this.#closing || !(error instanceof FormDBError)) return error;
    const { code } = error;
    return code === "FORMDB_CONNECTION_LOST" || code === "FORMDB_POOL_CLOSED" ? closedError(error) : error;
  }
}

function closedError(cause: unknown): FormDBError {
  return new FormDBError("FORMDB_CLOSED", "The stream was cut: the database was closed while it was read", {
    cause,
  });
}
