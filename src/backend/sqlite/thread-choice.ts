import { type ThreadUsage, usageOfThread } from "./thread-usage.ts";

/** Where a statement is best run, learned from how long it took. */
interface RunRecord {
  /** Runs in a row that were short: on the worker, and then on the caller's thread. */
  shortRuns: number;
  /** How many of them it takes to come to the caller's thread. */
  trialRuns: number;
  /** Milliseconds of long runs on the caller's thread that are forgiven. */
  creditMs: number;
}

/** A statement that took less than this, in milliseconds, costs less than a trip to a worker thread and back. */
export const SHORT_RUN_MS = 0.25;
/** A run on the caller's thread that took more than this, in milliseconds, holds up others. */
const LONG_RUN_MS = 2;
/** Short runs in a row before a statement comes to the caller's thread for the first time. */
export const TRIAL_RUNS = 8;
/** The longest trial: one whose time depends on its values stays on the worker nearly always. */
const MAX_TRIAL_RUNS = 65_536;
/**
 * Milliseconds of long runs that a short run on the caller's thread makes up for: less than a trip to the worker
 * costs. So a statement comes back to the worker when its long runs cost more than the trips would.
 */
const CREDIT_A_RUN_MS = 0.05;
/** The most that short runs make up for. */
export const MAX_CREDIT_MS = 20;
/** For so many milliseconds one reading of the processor's time serves all runs that begin: it costs up to a fifth of a short one. */
const READING_LASTS_MS = 1;
/** Statements that are remembered; beyond that the oldest is forgotten. */
const MAX_STATEMENTS = 1_000;

/**
 * Which statements are short enough for the caller's thread. A worker keeps the event loop free, but costs
 * tens of microseconds; so a statement starts on the worker, and moves to the caller's thread after a
 * number of short runs. A long run there may be an accident: a busy machine, or a limit on the processor's time, stops any
 * statement for milliseconds now and then. The processor's time tells such a run, which counts for nothing. Any other long
 * run is forgiven as far as short runs have made up for it. What is not forgiven sends the statement back to the
 * worker, for twice as many runs, unless nothing was held against it before. A statement without a name is a stranger
 * each time, of which nothing is learned.
 */
export class ThreadChoice {
  readonly #records = new Map<string, RunRecord>();
  readonly #usage: ThreadUsage | undefined;
  #lastName = "";
  #last: RunRecord | undefined;
  #usedMs: number | undefined;
  #readAt = -Infinity;
  #diskReads: number | undefined;

  constructor(usage: ThreadUsage | undefined = usageOfThread) {
    this.#usage = usage;
    this.#diskReads = usage?.diskReads();
  }

  runsHere(name: string): boolean {
    const record = this.#recordOf(name);
    return record !== undefined && record.shortRuns >= record.trialRuns;
  }

  /** For `ran` after a run that begins `at` this time on the caller's thread: what the thread had used then, or up to a millisecond before. */
  usedBefore(at: number): number | undefined {
    if (this.#usage !== undefined && at - this.#readAt >= READING_LASTS_MS) {
      this.#usedMs = this.#usage.cpuMs();
      this.#readAt = at;
    }
    return this.#usedMs;
  }

  /** Notes that a statement ran for `ms`. */
  ran(name: string, ms: number, usedBeforeMs?: number): void {
    if (name === "") return;
    let record = this.#recordOf(name);
    if (record === undefined) {
      record = { shortRuns: 0, trialRuns: TRIAL_RUNS, creditMs: 0 };
      this.#records.set(name, record);
      this.#last = record;
      if (this.#records.size > MAX_STATEMENTS) this.#records.delete(this.#records.keys().next().value!);
    }
    if (record.shortRuns >= record.trialRuns) this.#ranHere(record, ms, usedBeforeMs);
    else if (ms < SHORT_RUN_MS) record.shortRuns++;
    else record.shortRuns = Math.max(0, record.shortRuns - TRIAL_RUNS);
  }

  #ranHere(record: RunRecord, ms: number, usedBeforeMs: number | undefined): void {
    const { creditMs, trialRuns } = record;
    if (ms <= LONG_RUN_MS) {
      record.creditMs = Math.min(MAX_CREDIT_MS, creditMs + CREDIT_A_RUN_MS);
      return;
    }
    if (this.#wasStopped(usedBeforeMs)) return;
    record.creditMs -= ms;
    if (record.creditMs >= 0) return;
    record.trialRuns = creditMs === MAX_CREDIT_MS ? TRIAL_RUNS : Math.min(MAX_TRIAL_RUNS, trialRuns * 2);
    record.shortRuns = 0;
    record.creditMs = 0;
  }

  /** Runs come in rows of one statement: comparing its name costs less than looking it up. */
  #recordOf(name: string): RunRecord | undefined {
    if (name !== this.#lastName) {
      this.#last = this.#records.get(name);
      this.#lastName = name;
    }
    return this.#last;
  }

  /** Whether it was the system that made a run long. A wait for the disk is the statement's own. */
  #wasStopped(usedBeforeMs: number | undefined): boolean {
    if (this.#usage === undefined) return false;
    const before = this.#diskReads;
    this.#diskReads = this.#usage.diskReads();
    if (usedBeforeMs === undefined || before !== this.#diskReads) return false;
    return this.#usage.cpuMs() - usedBeforeMs <= LONG_RUN_MS;
  }
}
