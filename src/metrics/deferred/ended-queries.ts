import type { EndedQuery } from "../../base/observer.ts";
import type { Histogram } from "../histogram.ts";
import { isInventedName, type QueryOutcome } from "../label-values.ts";
import type { MetricStore } from "../store.ts";
import type { TopStatements } from "../top-statements.ts";
import type { Column } from "./column.ts";

/** Queries that are written down before they are counted. */
const LENGTH = 64;
/** How many numbers a query has, one unused: they fill a cache line. Below is where each stands. */
const NUMBERS = 8;
const TOTAL = 0;
const WAIT = 1;
const DATABASE = 2;
const DECODE = 3;
/** The rest of its time. */
const REST = 4;
const ROWS = 5;
/** 1 if its plan was in the cache, else 0. */
const HIT = 6;

/** The parts of a query's time by the value of their label. */
const PHASES: readonly (readonly [phase: string, offset: number])[] = [
  ["pool_wait", WAIT],
  ["database", DATABASE],
  ["decode", DECODE],
  ["other", REST],
];

/** Queries of one kind that ended one after the other. */
interface Run {
  operation: string;
  collection: string;
  /** Empty if they succeeded. */
  code: string;
  shape: string;
  /** The place of its first query. */
  start: number;
}

/**
 * Counts queries that have ended, in the store of metrics and among the top statements.
 *
 * Counting one touches some thirty places in memory, and the next query evicts them from the processor's caches. For
 * sixty-four queries in a row they are fetched once. So queries are written down first, and counted when there are
 * sixty-four or when somebody reads what they change (docs/decisions/0059-ended-queries-are-counted-together.md).
 */
export class EndedQueries {
  readonly #store: MetricStore;
  readonly #statements: TopStatements | undefined;
  readonly #numbers: Float64Array = new Float64Array(LENGTH * NUMBERS);
  readonly #seconds: OffsetColumn = this.#column(TOTAL, 1_000);
  readonly #milliseconds: OffsetColumn = this.#column(TOTAL, 1);
  readonly #rows: OffsetColumn = this.#column(ROWS, 1);
  readonly #rowsOf: (operation: string) => Histogram;
  readonly #phases: readonly { readonly histogram: Histogram; readonly column: OffsetColumn }[];
  readonly #runs: readonly Run[] = Array.from({ length: LENGTH }, emptyRun);
  #runCount = 0;
  #last: Run = emptyRun();
  #next = 0;
  /** Whether readers know that there is something to count first. */
  #announced = false;

  constructor(store: MetricStore, statements: TopStatements | undefined) {
    this.#store = store;
    this.#statements = statements;
    const durations = store.histogram("query_phase_duration_seconds");
    this.#phases = PHASES.map(([phase, offset]) => ({
      histogram: durations.labels({ phase }),
      column: this.#column(offset, 1_000),
    }));
    const rows = store.histogram("query_rows");
    this.#rowsOf = (operation) => rows.labels({ operation });
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
    numbers[next + TOTAL] = totalMs;
    numbers[next + WAIT] = waitMs;
    numbers[next + DATABASE] = databaseMs;
    numbers[next + DECODE] = decodeMs;
    numbers[next + REST] = Math.max(0, totalMs - waitMs - databaseMs - decodeMs);
    numbers[next + ROWS] = query.rows;
    numbers[next + HIT] = query.cacheHit ? 1 : 0;
    this.#next = next + NUMBERS;
    if (this.#next === numbers.length) this.count();
  }

  /** Counts what was written down, in the order in which it came. */
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
    this.#store.backlog.putOff(this.#countForReader);
    this.#statements?.backlog.putOff(this.#countForReader);
  }

  readonly #countForReader = (): void => {
    this.#announced = false;
    this.count();
  };

  #countRun(run: Run, end: number): void {
    const { operation, collection, code, shape, start } = run;
    const outcome = outcomeOf(code);
    const label = isInventedName(code) ? "" : collection;
    this.#store.queries.recordEach(operation, label, outcome, over(this.#seconds, start, end));
    // A histogram at a time: its parts are looked up once for all queries of the run.
    for (const { histogram, column } of this.#phases) histogram.observeEach(over(column, start, end));
    if (code === "") this.#rowsOf(operation).observeEach(over(this.#rows, start, end));
    if (this.#statements === undefined) return;
    let rows = 0;
    let hits = 0;
    for (let i = start; i < end; i += NUMBERS) {
      rows += this.#numbers[i + ROWS]!;
      hits += this.#numbers[i + HIT]!;
    }
    const slot = this.#statements.slotOf(shape, operation, collection);
    slot.recordEach(over(this.#milliseconds, start, end), code !== "", rows, hits);
  }

  #column(offset: number, divisor: number): OffsetColumn {
    return { values: this.#numbers, offset, step: NUMBERS, divisor, start: 0, end: 0 };
  }
}

/** A column of the queries' numbers. */
interface OffsetColumn extends Column {
  /** The place of its number among those of a query. */
  readonly offset: number;
}

/** The part of a column that belongs to the queries from `start` to `end`. */
function over(column: OffsetColumn, start: number, end: number): Column {
  column.start = start + column.offset;
  column.end = end + column.offset;
  return column;
}

function emptyRun(): Run {
  return { operation: "", collection: "", code: "", shape: "", start: 0 };
}

/** The `outcome` label for an error code; an empty code is success. */
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
