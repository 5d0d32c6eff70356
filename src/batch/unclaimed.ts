import type { Clock } from "../base/clock.ts";
import { FormDBError } from "../base/errors.ts";
import { afterDecision } from "./noting-promise.ts";
import type { Tally } from "./tally.ts";

/** A failure that nobody has come for in this time is reported. */
export const UNCLAIMED_AFTER_MS = 1_000;
/** Errors that a report lists. */
const MAX_LISTED = 10;

/** What reports go to. */
export interface Reports {
  onError(error: Error): void;
  /** So many failures were reported. */
  unawaited(failures: number): void;
}

/**
 * Reports failures that nobody is told of: their call has no result, or one that nobody awaits, and no `flush()` has come
 * for them.
 */
export class Unclaimed {
  readonly #clock: Clock;
  readonly #reports: Reports;
  /** Those whose result tells of failures, each with the flush that tells of them too. */
  readonly #waiting: Map<Tally, Tally> = new Map();

  constructor(clock: Clock, reports: Reports) {
    this.#clock = clock;
    this.#reports = reports;
  }

  /** Notes a failure that the result of `teller` tells of, and that of `flush`, which may be the same. */
  note(teller: Tally, flush: Tally, error: FormDBError): void {
    if (isTold(teller, flush)) return;
    teller.unclaimedCount++;
    if (teller.unclaimed.length < MAX_LISTED) teller.unclaimed.push(error);
    if (this.#waiting.has(teller)) return;
    this.#waiting.set(teller, flush);
    void afterDecision(() => {
      if (isTold(teller, flush)) this.#forget(teller);
      else this.#clock.schedule(() => this.#report(teller, flush), UNCLAIMED_AFTER_MS);
    });
  }

  /** Reports at once what nobody has come for. */
  reportAll(): void {
    for (const [teller, flush] of this.#waiting) this.#report(teller, flush);
  }

  /** A callback that throws has nobody to throw to. */
  tell(error: Error): void {
    try {
      this.#reports.onError(error);
    } catch {
      // The report was given; what its taker does with it is its own affair.
    }
  }

  #report(teller: Tally, flush: Tally): void {
    const { unclaimed, unclaimedCount } = teller;
    this.#forget(teller);
    if (unclaimedCount === 0 || isTold(teller, flush)) return;
    this.#reports.unawaited(unclaimedCount);
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

  #forget(teller: Tally): void {
    this.#waiting.delete(teller);
    teller.unclaimed = [];
    teller.unclaimedCount = 0;
  }
}

function isTold(teller: Tally, flush: Tally): boolean {
  return flush.claimed || teller.awaited?.() === true;
}
