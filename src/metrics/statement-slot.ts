import type { EndedQuery } from "../base/observer.ts";
import { BucketCounts } from "./bucket-counts.ts";
import { BucketIndex } from "./bucket-index.ts";
import type { Column } from "./deferred/column.ts";
import { percentile } from "./percentile.ts";

/** The statistics of one shape. */
export interface StatementStats {
  readonly shape: string;
  readonly operation: string;
  readonly collection: string;
  readonly calls: number;
  readonly errors: number;
  readonly rows: number;
  readonly cacheHits: number;
  readonly totalMs: number;
  readonly meanMs: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** The most time that may have been spent on this shape before it had a slot; 0 if none is missing. */
  readonly missedMs: number;
}

/** Milliseconds: half-octaves from a microsecond to three minutes. */
const BOUNDS = Array.from({ length: 56 }, (_, i) => 0.001 * 2 ** (i / 2));
const INDEX = new BucketIndex(BOUNDS);

/** A place for one shape at a time among the top statements. */
export class StatementSlot {
  shape = "";
  #operation = "";
  #collection = "";
  #errors = 0;
  #rows = 0;
  #cacheHits = 0;
  /** The time of the slot's former owners, some of which may have been this shape's. */
  #missedMs = 0;
  /** Of each call, in milliseconds. */
  readonly #times: BucketCounts = new BucketCounts(INDEX, {
    values: new Float64Array(BucketCounts.cellsFor(INDEX)),
    slot: 0,
  });

  /** Gives the slot to a shape. The time of its former owners becomes what the shape may have missed. */
  give(shape: string, operation: string, collection: string): void {
    this.#missedMs = this.weightMs;
    this.shape = shape;
    this.#operation = operation;
    this.#collection = collection;
    this.#errors = 0;
    this.#rows = 0;
    this.#cacheHits = 0;
    this.#times.reset();
  }

  record({
    code,
    totalMs,
    rows,
    cacheHit,
  }: Pick<EndedQuery, "code" | "totalMs" | "rows" | "cacheHit">): void {
    if (code !== "") this.#errors += 1;
    if (cacheHit) this.#cacheHits += 1;
    this.#rows += rows;
    // A call whose time can't be added up still counts as a call.
    this.#times.put(totalMs >= 0 && totalMs < Infinity ? totalMs : 0);
  }

  /** Records several calls with their times in milliseconds; `rows` and `cacheHits` are those of all of them. */
  recordEach(times: Column, failed: boolean, rows: number, cacheHits: number): void {
    if (failed) this.#errors += (times.end - times.start) / times.step;
    this.#cacheHits += cacheHits;
    this.#rows += rows;
    const leftOut = this.#times.putEach(times, 0);
    for (let i = 0; i < leftOut; i++) this.#times.put(0);
  }

  /** All the time of this slot, its former owners' included. It only grows. */
  get weightMs(): number {
    return this.#missedMs + this.#times.sum;
  }

  stats(): StatementStats {
    const { counts, count, sum, max } = this.#times;
    return {
      shape: this.shape,
      operation: this.#operation,
      collection: this.#collection,
      calls: count,
      errors: this.#errors,
      rows: this.#rows,
      cacheHits: this.#cacheHits,
      totalMs: sum,
      meanMs: sum / count,
      p99Ms: percentile(0.99, BOUNDS, counts, max),
      maxMs: max,
      missedMs: this.#missedMs,
    };
  }
}
