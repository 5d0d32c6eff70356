import type { Clock } from "../base/clock.ts";
import { FormDBError } from "../base/errors.ts";
import type { Tally } from "./tally.ts";

/** A failure that no flush has asked for in this time is reported. */
export const UNCLAIMED_AFTER_MS = 1_000;
/** Errors that a report lists. */
const MAX_LISTED = 10;

/** Reports failures of operations that nobody awaits and that no `flush()` has come for. */
export class Unclaimed {
  readonly #clock: Clock;
  readonly #onError: (error: Error) => void;
  readonly #waiting: Set<Tally> = new Set();

  constructor(clock: Clock, onError: (error: Error) => void) {
    this.#clock = clock;
    this.#onError = onError;
  }

  note(tally: Tally, error: FormDBError): void {
    if (tally.claimed) return;
    tally.unclaimedCount++;
    if (tally.unclaimed.length < MAX_LISTED) tally.unclaimed.push(error);
    if (this.#waiting.has(tally)) return;
    this.#waiting.add(tally);
    this.#clock.schedule(() => this.report(tally), UNCLAIMED_AFTER_MS);
  }

  /** Reports at once what is unclaimed. */
  report(tally: Tally): void {
    this.#waiting.delete(tally);
    const { unclaimed, unclaimedCount } = tally;
    if (tally.claimed || unclaimedCount === 0) return;
    tally.unclaimed = [];
    tally.unclaimedCount = 0;
    const first = unclaimed[0]!;
    const others = unclaimedCount === 1 ? "" : `, and ${unclaimedCount - 1} more`;
    this.tell(
      new FormDBError(
        first.code,
        `A queued write failed and nobody was waiting for it: ${first.message}${others}`,
        {
          cause: first,
          details: { failed: unclaimedCount, errors: unclaimed },
        },
      ),
    );
  }

  /** A callback that throws has nobody to throw to. */
  tell(error: Error): void {
    try {
      this.#onError(error);
    } catch {
      // The report was given; what its taker does with it is its own affair.
    }
  }
}
