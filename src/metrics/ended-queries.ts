import type { EndedQuery } from "../base/observer.ts";
import type { QueryOutcome } from "./catalogue.ts";
import type { Histogram } from "./histogram.ts";
import type { Metrics } from "./metrics.ts";
import type { TopStatements } from "./top-statements.ts";

/** Queries that are put down before they are counted. */
const LENGTH = 64;
/** The numbers of one query: its whole time first, and where its other numbers stand. They fill a cache line. */
const NUMBERS = 8;
const WAIT = 1;
const DATABASE = 2;
const DECODE = 3;
/** What is left of its time. */
const REST = 4;
const ROWS = 5;
/** 1 where its plan was in the cache. */
const HIT = 6;

/** Queries of one kind that ended one after the other. */
interface Run {
  operation: string;
  collection: string;
  /** Empty where they went well. */
  code: string;
  shape: string;
  /** Where its first query stands. */
  start: number;
}

/**
 * Counts queries that have ended: in the store of metrics, and among the top statements.
 *
 * To count one touches some thirty places in memory, which the query after it has swept out of the processor's caches
 * again; for sixty-four in a row they are fetched once. So queries are put down first, and counted when there are that
 * many or when somebody reads what they change.
 */
export class EndedQueries {
  readonly #metrics: Metrics;
  readonly #statements: TopStatements | undefined;
  readonly #poolWait: Histogram;
  readonly #database: Histogram;
  readonly #decode: Histogram;
  readonly #rest: Histogram;
  readonly #rows: (operation: string) => Histogram;
  readonly #numbers: Float64Array = new Float64Array(LENGTH * NUMBERS);
  readonly #runs: readonly Run[] = Array.from({ length: LENGTH }, emptyRun);
  #runCount = 0;
  #last: Run = emptyRun();
  #next = 0;
  /** Whether readers know that there is something to count first. */
  #announced = false;

  constructor(metrics: Metrics, statements: TopStatements | undefined) {
    this.#metrics = metrics;
    this.#statements = statements;
    const phases = metrics.histogramOf("query_phase_duration_seconds");
    this.#poolWait = phases.labels({ phase: "pool_wait" });
    this.#database = phases.labels({ phase: "database" });
    this.#decode = phases.labels({ phase: "decode" });
    this.#rest = phases.labels({ phase: "other" });
    const rows = metrics.histogramOf("query_rows");
    this.#rows = (operation) => rows.labels({ operation });
  }

  put(query: EndedQuery): void {
    const { operation, collection, code, shape, totalMs, waitMs, databaseMs, decodeMs } = query;
    const last = this.#last;
    if (
      this.#runCount === 0 ||
      shape !== last.shape ||
      collection !== last.collection ||
      operation !== last.operation ||
      code !== last.code
    ) {
      this.#begin(query);
    }
    const numbers = this.#numbers;
    const next = this.#next;
    numbers[next] = totalMs;
    numbers[next + WAIT] = waitMs;
    numbers[next + DATABASE] = databaseMs;
    numbers[next + DECODE] = decodeMs;
    numbers[next + REST] = Math.max(0, totalMs - waitMs - databaseMs - decodeMs);
    numbers[next + ROWS] = query.rows;
    numbers[next + HIT] = query.cacheHit ? 1 : 0;
    this.#next = next + NUMBERS;
    if (this.#next === numbers.length) this.count();
  }

  /** Counts what was put down, in the order in which it came. */
  count(): void {
    const runs = this.#runs;
    const count = this.#runCount;
    const end = this.#next;
    this.#runCount = 0;
    this.#next = 0;
    for (let i = 0; i < count; i++) {
      const run = runs[i]!;
      this.#countRun(run, i + 1 < count ? runs[i + 1]!.start : end);
    }
  }

  #begin({ operation, collection, code, shape }: EndedQuery): void {
    const run = this.#runs[this.#runCount++]!;
    run.operation = operation;
    run.collection = collection;
    run.code = code;
    run.shape = shape;
    run.start = this.#next;
    this.#last = run;
    if (this.#announced) return;
    this.#announced = true;
    this.#metrics.backlog.putOff(this.#countForReader);
    this.#statements?.backlog.putOff(this.#countForReader);
  }

  readonly #countForReader = (): void => {
    this.#announced = false;
    this.count();
  };

  #countRun({ operation, collection, code, shape, start }: Run, end: number): void {
    const numbers = this.#numbers;
    const failed = code !== "";
    const observe = (histogram: Histogram, column: number, divisor: number): void =>
      histogram.observeEach(numbers, start + column, end, NUMBERS, divisor);
    this.#metrics.recordQueriesAs(
      operation,
      collectionLabel(collection, code),
      outcomeOf(code),
      numbers,
      start,
      end,
      NUMBERS,
    );
    // A histogram at a time: its parts are looked up once for all queries of the run.
    observe(this.#poolWait, WAIT, 1_000);
    observe(this.#database, DATABASE, 1_000);
    observe(this.#decode, DECODE, 1_000);
    observe(this.#rest, REST, 1_000);
    if (!failed) observe(this.#rows(operation), ROWS, 1);
    if (this.#statements === undefined) return;
    let rows = 0;
    let hits = 0;
    for (let i = start; i < end; i += NUMBERS) {
      rows += numbers[i + ROWS]!;
      hits += numbers[i + HIT]!;
    }
    this.#statements
      .slotOf(shape, operation, collection)
      .recordEach(failed, (end - start) / NUMBERS, rows, hits, numbers, start, end, NUMBERS);
  }
}

function emptyRun(): Run {
  return { operation: "", collection: "", code: "", shape: "", start: 0 };
}

/** What the `outcome` label says of an error code; an empty code is success. */
export function outcomeOf(code: string): QueryOutcome {
  switch (code) {
    case "":
      return "ok";
    case "FORMDB_TIMEOUT":
    case "FORMDB_POOL_TIMEOUT":
      return "timeout";
    case "FORMDB_ABORTED":
      return "aborted";
    default:
      return "error";
  }
}

/** A name that no collection has is the caller's invention: as a label, such names would never end. */
function collectionLabel(collection: string, code: string): string {
  switch (code) {
    case "FORMDB_UNKNOWN_COLLECTION":
    case "FORMDB_SYNTAX":
    case "FORMDB_CONFIG":
      return "";
    default:
      return collection;
  }
}
