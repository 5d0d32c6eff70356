import type { Clock } from "../base/clock.ts";
import { FormDBError } from "../base/errors.ts";
import type { QueryObserver, QueryOperation } from "../base/observer.ts";
import { channels } from "../metrics/tracing-channels.ts";

/** The times of one query, gathered on its way. */
export interface QueryTimes {
  waitMs: number;
  databaseMs: number;
  decodeMs: number;
}

/** What was found of a query, for the observers. */
export interface QueryFacts {
  readonly operation: QueryOperation;
  readonly collection: string;
  readonly shape: string;
  readonly cacheHit: boolean;
  readonly parameters?: unknown;
}

/** Tells the observers of queries: that one started, and how it ended. */
export class Reporter {
  readonly #observer: Required<QueryObserver>;
  readonly #system: string;
  readonly clock: Clock;

  /** `system` is the engine profile's name, for traces. */
  constructor(observer: Required<QueryObserver>, clock: Clock, system: string) {
    this.#observer = observer;
    this.clock = clock;
    this.#system = system;
  }

  /** Runs `work` and reports it; `rowsOf` tells how many rows its result has. */
  report<T>(
    facts: QueryFacts,
    rowsOf: (result: T) => number,
    work: (times: QueryTimes) => Promise<T>,
  ): Promise<T> {
    if (!channels.query.hasSubscribers) return this.#observed(facts, rowsOf, work);
    const { operation, collection, shape } = facts;
    const trace = { operation, collection, shape, system: this.#system };
    return channels.query.tracePromise(() => this.#observed(facts, rowsOf, work), trace);
  }

  async #observed<T>(
    facts: QueryFacts,
    rowsOf: (result: T) => number,
    work: (times: QueryTimes) => Promise<T>,
  ): Promise<T> {
    const { operation, collection } = facts;
    const times: QueryTimes = { waitMs: 0, databaseMs: 0, decodeMs: 0 };
    const start = this.clock.now();
    this.#observer.queryStarted(operation, collection);
    try {
      const result = await work(times);
      this.#finished(facts, times, start, "", rowsOf(result));
      return result;
    } catch (error) {
      this.failed(error);
      this.#finished(facts, times, start, codeOf(error), 0);
      throw error;
    }
  }

  /** Counts an error that reaches a caller. */
  failed(error: unknown): void {
    const sqlstate = error instanceof FormDBError && typeof error.sqlstate === "string" ? error.sqlstate : "";
    this.#observer.errorReported(codeOf(error), sqlstate, true);
  }

  #finished(facts: QueryFacts, times: QueryTimes, start: number, code: string, rows: number): void {
    this.#observer.queryFinished(
      facts.operation,
      facts.collection,
      code,
      this.clock.now() - start,
      times.waitMs,
      times.databaseMs,
      times.decodeMs,
      rows,
      facts.shape,
      facts.cacheHit,
      facts.parameters,
    );
  }
}

function codeOf(error: unknown): string {
  return error instanceof FormDBError ? error.code : "FORMDB_ENGINE";
}
