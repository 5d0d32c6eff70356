import type { Connection, EngineResult } from "../backend/backend.ts";
import { bounded, type CallOptions, remaining, throwIfAborted, timeoutError } from "../base/abort.ts";
import type { Row } from "../base/document.ts";
import { FormDBError, notSent } from "../base/errors.ts";
import { turnIfDue } from "../base/loop-turn.ts";
import type { QueryOperation } from "../base/observer.ts";
import type { BoundStatement, Parameters, Plan } from "../plan/plan.ts";
import type { Answer } from "./answer.ts";
import type { CallsUnderWay } from "./calls-under-way.ts";
import type { Catalog } from "./catalog.ts";
import type { Connections, Lent } from "./connections.ts";
import { operationOf, type PlannedText, type PlannedTree, type PlanSource } from "./plan-source.ts";
import type { QueryFacts, QueryTimes, Reporter } from "./reporter.ts";
import type { ReadLane, SharedReads } from "./shared-reads.ts";

/** What a query gives. `rowCount` counts the rows, or the documents that a write has changed. */
export interface QueryResult<R extends object = Row> {
  readonly rows: R[];
  readonly rowCount: number;
}

/** A query on its way: its plan, and what its caller gave. */
export interface Query extends PlannedText {
  readonly text: string;
  readonly parameters: Parameters;
  readonly options: CallOptions;
}

/** The connection of an open transaction. */
export interface Held {
  readonly connection: Connection;
  /** Rejects if there is no such collection, for the transaction or before it. */
  need(collection: string, bounds: CallOptions): Promise<void>;
}

/** What a query is reported as, and where it runs. */
export interface Run {
  readonly operation: QueryOperation;
  readonly held: Held | undefined;
}

const NO_PARAMETERS: readonly unknown[] = Object.freeze([]);

/** What a reader works with. */
export interface ReaderParts {
  readonly plans: PlanSource;
  readonly connections: Connections;
  readonly catalog: Catalog;
  readonly reporter: Reporter;
  readonly calls: CallsUnderWay;
  /** Left out if reads are not merged. */
  readonly merged: SharedReads | undefined;
}

/** Rows that are decoded between two looks at the clock. */
const DECODED_AT_ONCE = 64;

/**
 * A read: query text → shape → cached plan, else parsed and compiled → pooled connection → prepared
 * statement → rows. Updates and deletes by query go the same way, on a connection that may write.
 */
export class Reader {
  readonly #plans: PlanSource;
  readonly #connections: Connections;
  readonly #catalog: Catalog;
  readonly #reporter: Reporter;
  readonly #calls: CallsUnderWay;
  readonly #merged: SharedReads | undefined;

  constructor({ plans, connections, catalog, reporter, calls, merged }: ReaderParts) {
    this.#plans = plans;
    this.#connections = connections;
    this.#catalog = catalog;
    this.#reporter = reporter;
    this.#calls = calls;
    this.#merged = merged;
  }

  /** Plans a query. One that can't be planned, as for a syntax error, is reported as a query that failed. */
  plan(text: string, parameters: Parameters, options: CallOptions, held?: Held): Query {
    try {
      const { plan, values, cacheHit } = this.#plans.planFor(text);
      return { plan, values, cacheHit, text, parameters, options };
    } catch (error) {
      const facts = {
        operation: operationOf(text),
        collection: "",
        shape: "(no query)",
        cacheHit: false,
        parameters,
        inTransaction: held !== undefined,
      };
      this.#reporter.begin(facts).fail(error);
      throw error;
    }
  }

  /** The same for a statement that was made without a text. */
  planTree(tree: PlannedTree, options: CallOptions): Query {
    const { plan, values, cacheHit } = this.#plans.planForTree(tree);
    return { plan, values, cacheHit, text: tree.key, parameters: NO_PARAMETERS, options };
  }

  /** Runs a query that has a statement, on a connection lent for it or on the one that its transaction holds. */
  run(query: Query, operation: "select" | "update" | "delete", held: Held | undefined): Promise<QueryResult> {
    const role = operation === "select" ? "read" : "write";
    try {
      throwIfAborted("The query", query.options.signal);
    } catch (error) {
      if (role === "write") notSent(error);
      throw error;
    }
    const facts = factsOf(query, { operation, held });
    return this.#reporter.report(facts, rowCountOf, (times) => {
      if (held !== undefined) return this.#onHeld(held, query, times);
      const result = this.#onLent(role, query, times);
      return role === "read" ? result : result.catch(notSent);
    });
  }

  /** Runs a query that has no statement of its own, within its caller's time, and reports it. */
  report(query: Query, run: Run, work: () => Promise<QueryResult>): Promise<QueryResult> {
    const { clock } = this.#reporter;
    return this.#reporter.report(factsOf(query, run), rowCountOf, async (times) => {
      const start = clock.now();
      try {
        // A connection that is held runs one call at a time, so that none may be left running on it. An insert is bounded
        // by the queue, which knows what became of it.
        if (run.held !== undefined || run.operation === "insert") return await work();
        return await bounded(`The ${run.operation}`, work(), clock, query.options);
      } finally {
        times.databaseMs = clock.now() - start;
      }
    });
  }

  /**
   * The rows of a SELECT one by one, in constant memory. Its signal and its time are looked at before each row; the
   * time runs on while the caller works on a row.
   */
  async *stream(query: Query): AsyncGenerator<Row> {
    const { plan, values, parameters, options } = query;
    if (plan.kind !== "select") {
      throw new FormDBError("FORMDB_UNSUPPORTED", `Only a SELECT can be streamed, not ${plan.shape}`);
    }
    const { clock } = this.#reporter;
    const { signal, timeoutMs = Infinity } = options;
    const collection = plan.collections[0] ?? "";
    const ongoing = this.#reporter.begin(factsOf(query, { operation: "select", held: undefined }));
    const start = clock.now();
    this.#calls.begin();
    try {
      const bound = plan.bind(values, parameters);
      const left = this.#catalog.has(collection) ? options : await this.#catalog.need(collection, options);
      for await (const chunk of this.#chunks(bound, left, ongoing)) {
        for (const columns of chunk) {
          throwIfAborted("The stream", signal);
          this.#calls.refuseIfCut();
          if (timeoutMs !== Infinity && clock.now() - start > timeoutMs) {
            throw timeoutError("The stream", timeoutMs);
          }
          ongoing.rows++;
          yield plan.decode(columns);
        }
      }
    } catch (thrown) {
      const error = this.#calls.whyEnded(thrown);
      this.#catalog.noticeMissing(error, collection);
      ongoing.fail(error);
      throw error;
    } finally {
      this.#calls.end();
      // A caller that leaves early has got what it wanted.
      ongoing.end();
    }
  }

  /** The rows of a statement in chunks; its time runs from here to the end, whatever the caller does between. */
  async *#chunks(
    { statement, values }: BoundStatement,
    options: CallOptions,
    times: QueryTimes,
  ): AsyncGenerator<ChunkOfRows> {
    const { clock } = this.#reporter;
    const start = clock.now();
    const acquire = async (): Promise<Lent> => {
      const asked = clock.now();
      try {
        return await this.#connections.acquireFresh(remaining(options, asked - start));
      } finally {
        times.waitMs += clock.now() - asked;
      }
    };
    const lent = await acquire();
    const { connection } = lent;
    const chunks = connection
      .stream(statement!, values, remaining(options, times.waitMs))
      [Symbol.asyncIterator]();
    if (connection.streamsBetweenCalls === true) yield* this.#betweenCalls(lent, chunks, { times, acquire });
    else yield* this.#onOneLease(lent, chunks, times);
  }

  async *#onOneLease(
    { connection, role }: Lent,
    chunks: Chunks,
    times: QueryTimes,
  ): AsyncGenerator<ChunkOfRows> {
    let failure: unknown;
    this.#connections.streamBegins();
    try {
      for (;;) {
        const next = await this.#nextOf(chunks, times);
        if (next.done) return;
        yield next.value;
      }
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      this.#connections.streamEnds();
      await chunks.return?.();
      this.#connections.giveBack(role, connection, failure);
    }
  }

  /**
   * The only connection to a database in memory is given back while the caller works on a chunk, so that the caller may
   * use the database meanwhile. The rows stay those of the moment at which the stream began.
   */
  async *#betweenCalls(
    first: Lent,
    chunks: Chunks,
    { times, acquire }: { readonly times: QueryTimes; readonly acquire: () => Promise<Lent> },
  ): AsyncGenerator<ChunkOfRows> {
    try {
      for (let lent = first; ; lent = await acquire()) {
        let failure: unknown;
        let next: IteratorResult<ChunkOfRows>;
        try {
          next = await this.#nextOf(chunks, times);
        } catch (error) {
          failure = error;
          throw error;
        } finally {
          this.#connections.giveBack(lent.role, lent.connection, failure);
        }
        if (next.done) return;
        yield next.value;
      }
    } finally {
      await chunks.return?.();
    }
  }

  /** The next chunk; what the caller does before it asks for one is no time of the database's. */
  async #nextOf(chunks: Chunks, times: QueryTimes): Promise<IteratorResult<ChunkOfRows>> {
    const { clock } = this.#reporter;
    const asked = clock.now();
    try {
      return await chunks.next();
    } finally {
      times.databaseMs += clock.now() - asked;
    }
  }

  async #onLent(role: "read" | "write", query: Query, times: QueryTimes): Promise<QueryResult> {
    const { plan, values, parameters } = query;
    let { options } = query;
    const bound = plan.bind(values, parameters);
    const collection = plan.collections[0] ?? "";
    if (!this.#catalog.has(collection)) options = await this.#catalog.need(collection, options);
    const lane = role === "read" ? this.#merged?.laneOf(bound) : undefined;
    try {
      if (lane?.isShared) return this.#decode(plan, await lane.join(bound.values, options, times), times);
      return await this.#byItself({ plan, bound, times, options }, role, lane);
    } catch (error) {
      this.#catalog.noticeMissing(error, collection);
      throw error;
    } finally {
      this.#catalog.noticeSlow(times.databaseMs);
    }
  }

  async #byItself(
    { plan, bound, times, options }: Execution,
    role: "read" | "write",
    lane: ReadLane | undefined,
  ): Promise<QueryResult> {
    const { clock } = this.#reporter;
    const asked = clock.now();
    let lent = false;
    let rows: number | undefined;
    const work = async (connection: Connection): Promise<QueryResult> => {
      lent = true;
      times.waitMs = clock.now() - asked;
      const left = remaining(options, times.waitMs);
      const result = await this.#onConnection(connection, { plan, bound, times, options: left });
      rows = result.rows.length;
      return result;
    };
    lane?.begin();
    try {
      return await this.#connections.use(role, options, work, bound.statement?.name);
    } catch (error) {
      if (!lent) times.waitMs = clock.now() - asked;
      throw error;
    } finally {
      lane?.end(times.databaseMs, rows);
    }
  }

  async #onHeld(
    held: Held,
    { plan, values, parameters, options }: Query,
    times: QueryTimes,
  ): Promise<QueryResult> {
    const { clock } = this.#reporter;
    const asked = clock.now();
    await held.need(plan.collections[0] ?? "", options);
    const bound = plan.bind(values, parameters);
    const left = remaining(options, clock.now() - asked);
    return this.#onConnection(held.connection, { plan, bound, times, options: left });
  }

  async #onConnection(
    connection: Connection,
    { plan, bound, times, options }: Execution,
  ): Promise<QueryResult> {
    const { clock } = this.#reporter;
    const sent = clock.now();
    let result: EngineResult;
    try {
      result = await connection.execute(bound.statement!, bound.values, options);
    } finally {
      times.databaseMs = clock.now() - sent;
    }
    return this.#decode(plan, result, times);
  }

  #decode(plan: Plan, { rows, rowCount }: EngineResult, times: QueryTimes): Answer<QueryResult> {
    const { clock } = this.#reporter;
    const received = clock.now();
    const finish = (decoded: Row[]): QueryResult => {
      times.decodeMs = clock.now() - received;
      return { rows: decoded, rowCount };
    };
    const decoded = decodeRows(plan, rows);
    return decoded instanceof Promise ? decoded.then(finish) : finish(decoded);
  }
}

/** The rows of a result. Few, as most queries give, are decoded at once; between many the event loop gets its turn. */
export function decodeRows(plan: Plan, rows: EngineResult["rows"]): Answer<Row[]> {
  if (rows.length > DECODED_AT_ONCE) return decodeInTurns(plan, rows);
  const decoded: Row[] = new Array(rows.length);
  for (let i = 0; i < rows.length; i++) decoded[i] = plan.decode(rows[i]!);
  return decoded;
}

async function decodeInTurns(plan: Plan, rows: EngineResult["rows"]): Promise<Row[]> {
  const decoded: Row[] = new Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    decoded[i] = plan.decode(rows[i]!);
    if (i % DECODED_AT_ONCE === DECODED_AT_ONCE - 1) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
    }
  }
  return decoded;
}

type ChunkOfRows = readonly (readonly unknown[])[];
type Chunks = AsyncIterator<ChunkOfRows>;

/** A plan with its values, and what its caller and its report ask of the run. */
interface Execution {
  readonly plan: Plan;
  readonly bound: BoundStatement;
  readonly times: QueryTimes;
  readonly options: CallOptions;
}

/** What is reported of a query. */
export function factsOf({ plan, cacheHit, parameters }: Query, { operation, held }: Run): QueryFacts {
  const inTransaction = held !== undefined;
  return {
    operation,
    collection: plan.collections[0] ?? "",
    shape: plan.shape,
    cacheHit,
    parameters,
    inTransaction,
  };
}

export function rowCountOf({ rowCount }: QueryResult): number {
  return rowCount;
}
