import type { Clock } from "../base/clock.ts";
import { FormDBError } from "../base/errors.ts";
import type { EndedGroup, EndedQuery, QueryObserver, QueryOperation } from "../base/observer.ts";
import { beginTrace, channels, type QueryTrace, type TraceEnd } from "../metrics/tracing-channels.ts";

/** The times of one query, measured on its way. */
export interface QueryTimes {
  waitMs: number;
  databaseMs: number;
  decodeMs: number;
}

/** What observers are told of a query, beside its times. */
export interface QueryFacts {
  readonly operation: QueryOperation;
  readonly collection: string;
  readonly shape: string;
  readonly cacheHit: boolean;
  readonly parameters?: unknown;
  /** Whether it is part of a transaction. Its failure is then counted as an error once, by the transaction. */
  readonly inTransaction?: boolean;
}

/** Tells the observers of queries: that one started, and how it ended. */
export class Reporter {
  readonly #observer: Required<QueryObserver>;
  readonly #system: string;
  readonly clock: Clock;
  #spare: OngoingQuery | undefined;

  /** `system` is the engine profile's name, for traces. */
  constructor(observer: Required<QueryObserver>, clock: Clock, system: string) {
    this.#observer = observer;
    this.clock = clock;
    this.#system = system;
  }

  /** Whether somebody traces queries. */
  get traced(): boolean {
    return channels.query.hasSubscribers;
  }

  /** Runs `work` and reports it; `rowsOf` tells how many rows its result has. */
  report<T>(
    facts: QueryFacts,
    rowsOf: (result: T) => number,
    work: (times: QueryTimes) => Promise<T>,
  ): Promise<T> {
    if (!channels.query.hasSubscribers) return this.#observed(facts, rowsOf, work);
    return channels.query.tracePromise(() => this.#observed(facts, rowsOf, work), this.#trace(facts));
  }

  async #observed<T>(
    facts: QueryFacts,
    rowsOf: (result: T) => number,
    work: (times: QueryTimes) => Promise<T>,
  ): Promise<T> {
    const query = this.#begin(facts, undefined);
    try {
      const result = await work(query);
      query.rows = rowsOf(result);
      query.end();
      return result;
    } catch (error) {
      query.fail(error);
      throw error;
    }
  }

  /** Reports that a query has started; the caller says how it ended. */
  begin(facts: QueryFacts): OngoingQuery {
    const endTrace = channels.query.hasSubscribers
      ? beginTrace(channels.query, this.#trace(facts))
      : undefined;
    return this.#begin(facts, endTrace);
  }

  #begin(facts: QueryFacts, endTrace: ((end: TraceEnd) => void) | undefined): OngoingQuery {
    this.#observer.queryStarted(facts.operation, facts.collection);
    return new OngoingQuery(this, this.#observer, facts, endTrace);
  }

  /** Reports that an untraced query has started, `now` by the clock. If it succeeds, `endShort` says so. */
  beginShort(facts: QueryFacts, now: number): OngoingQuery {
    this.#observer.queryStarted(facts.operation, facts.collection);
    const query = this.#spare ?? new OngoingQuery(this, this.#observer, facts, undefined);
    this.#spare = undefined;
    query.renew(facts, now);
    return query;
  }

  /** Reports its end, and keeps its object for the next one: making one each time costs as much as two looks at the clock. */
  endShort(query: OngoingQuery, now: number): void {
    query.end(now);
    query.parameters = undefined;
    this.#spare = query;
  }

  #trace({ operation, collection, shape }: QueryFacts): QueryTrace {
    return { operation, collection, shape, system: this.#system };
  }

  /** Reports a group of queued writes that has ended. */
  groupEnded(group: EndedGroup): void {
    this.#observer.groupFinished(group);
  }

  /** Counts a statement that has answered several reads. */
  readsMerged(reads: number): void {
    this.#observer.readsMerged(reads);
  }

  /** Counts a failure that reaches a caller as a part of a result. */
  failedWith(code: string): void {
    this.#observer.errorReported(code, "");
  }

  /** Counts an error that reaches a caller. */
  failed(error: unknown): void {
    const sqlstate = error instanceof FormDBError && typeof error.sqlstate === "string" ? error.sqlstate : "";
    this.#observer.errorReported(codeOf(error), sqlstate);
  }
}

/**
 * A query that was reported as started. It collects the query's times and reports its end, once; observers then get
 * this object itself, so that reporting allocates nothing.
 */
export class OngoingQuery implements QueryTimes, EndedQuery {
  operation: QueryOperation;
  collection: string;
  shape: string;
  cacheHit: boolean;
  parameters: unknown;
  code = "";
  totalMs = 0;
  waitMs = 0;
  databaseMs = 0;
  decodeMs = 0;
  rows = 0;
  readonly #reporter: Reporter;
  readonly #observer: Required<QueryObserver>;
  readonly #inTransaction: boolean;
  readonly #endTrace: ((end: TraceEnd) => void) | undefined;
  /** By the clock. */
  startedAt: number;
  #ended = false;

  constructor(
    reporter: Reporter,
    observer: Required<QueryObserver>,
    facts: QueryFacts,
    endTrace: ((end: TraceEnd) => void) | undefined,
  ) {
    this.operation = facts.operation;
    this.collection = facts.collection;
    this.shape = facts.shape;
    this.cacheHit = facts.cacheHit;
    this.parameters = facts.parameters;
    this.#inTransaction = facts.inTransaction === true;
    this.#endTrace = endTrace;
    this.#reporter = reporter;
    this.#observer = observer;
    this.startedAt = reporter.clock.now();
  }

  /** Becomes another query, outside a transaction, once it has ended. */
  renew({ operation, collection, shape, cacheHit, parameters }: QueryFacts, now: number): void {
    this.operation = operation;
    this.collection = collection;
    this.shape = shape;
    this.cacheHit = cacheHit;
    this.parameters = parameters;
    this.startedAt = now;
    this.waitMs = 0;
    this.databaseMs = 0;
    this.decodeMs = 0;
    this.rows = 0;
    this.#ended = false;
  }

  /** `now` is the clock's time, for callers that know it. */
  end(now?: number): void {
    if (this.#ended) return;
    this.#finish("", now);
    this.#endTrace?.({ result: { rowCount: this.rows } });
  }

  /** What a transaction's own function throws is its decision to roll back, and no error of the database. */
  fail(error: unknown): void {
    if (this.#ended) return;
    this.rows = 0;
    this.#endTrace?.({ error });
    if (this.operation === "transaction" && !(error instanceof FormDBError)) {
      this.#finish("FORMDB_ABORTED");
      return;
    }
    if (!this.#inTransaction) this.#reporter.failed(error);
    this.#finish(codeOf(error));
  }

  #finish(code: string, now: number = this.#reporter.clock.now()): void {
    this.#ended = true;
    this.code = code;
    this.totalMs = now - this.startedAt;
    this.#observer.queryFinished(this);
  }
}

/** The code under which a failure is counted. */
export function codeOf(error: unknown): string {
  return error instanceof FormDBError ? error.code : "FORMDB_ENGINE";
}
