/** Where a statement is best run, learned from how long it took. */
interface Record {
  /** Runs in a row that were short: on the worker, and then on the caller's thread. */
  shortRuns: number;
  /** How many of them it takes to come to the caller's thread. */
  trialRuns: number;
}

/** A statement that took less than this, in milliseconds, costs less than a trip to a worker thread and back. */
export const SHORT_RUN_MS = 0.25;
/** Milliseconds on the caller's thread after which a statement goes back to the worker, for twice as many runs. */
export const LONG_RUN_MS = 2;
/** Short runs in a row before a statement comes to the caller's thread for the first time. */
export const TRIAL_RUNS = 8;
/** The longest trial: one whose time depends on its values stays on the worker nearly always. */
const MAX_TRIAL_RUNS = 65_536;
/**
 * Short runs in a row on the caller's thread after which a long one is an accident, as where the system lets another
 * process run meanwhile, and the next trial is as short as the first.
 */
export const PROVEN_RUNS = 500;
/** Statements that are remembered; beyond that the oldest is forgotten. */
const MAX_STATEMENTS = 1_000;

/**
 * Which statements are short enough for the caller's thread. A worker keeps the event loop free, but costs
 * tens of microseconds; so a statement starts on the worker, and moves to the caller's thread after a
 * number of short runs, until one of its runs is long. After that the trial takes twice as many, unless the statement
 * had been short for long. A statement without a name is a stranger each time, of which nothing is learned.
 */
export class ThreadChoice {
  readonly #records = new Map<string, Record>();

  runsHere(name: string): boolean {
    const record = this.#records.get(name);
    return record !== undefined && record.shortRuns >= record.trialRuns;
  }

  /** Notes that a statement ran for `ms`. */
  ran(name: string, ms: number): void {
    if (name === "") return;
    let record = this.#records.get(name);
    if (record === undefined) {
      record = { shortRuns: 0, trialRuns: TRIAL_RUNS };
      this.#records.set(name, record);
      if (this.#records.size > MAX_STATEMENTS) this.#records.delete(this.#records.keys().next().value!);
    }
    const runsHere = record.shortRuns - record.trialRuns;
    if (ms > LONG_RUN_MS) {
      if (runsHere >= PROVEN_RUNS) record.trialRuns = TRIAL_RUNS;
      else if (runsHere >= 0) record.trialRuns = Math.min(MAX_TRIAL_RUNS, record.trialRuns * 2);
      record.shortRuns = 0;
    } else if (runsHere >= 0 || ms < SHORT_RUN_MS) record.shortRuns++;
    else record.shortRuns = 0;
  }
}
