import type { Connection, EngineResult } from "../backend/backend.ts";
import { type CallOptions, throwIfAborted, timeoutError } from "../base/abort.ts";
import type { Row } from "../base/document.ts";
import type { EngineStatement } from "../base/engine-statement.ts";
import { FormDBError } from "../base/errors.ts";
import type { Parameters, Plan } from "../plan/plan.ts";
import type { Catalog } from "./catalog.ts";
import type { Connections } from "./connections.ts";
import type { PlannedText, PlanSource } from "./plan-source.ts";
import type { QueryTimes, Reporter } from "./reporter.ts";

/** What a query gives. `rowCount` counts the rows, or the documents that a write has changed. */
export interface QueryResult {
  readonly rows: Row[];
  readonly rowCount: number;
}

/**
 * A read: query text → shape → cached plan, else parsed and compiled → pooled connection → prepared
 * statement → rows. Updates and deletes by query go the same way, on a connection that may write.
 */
export class Reader {
  readonly #plans: PlanSource;
  readonly #connections: Connections;
  readonly #catalog: Catalog;
  readonly #reporter: Reporter;

  constructor(plans: PlanSource, connections: Connections, catalog: Catalog, reporter: Reporter) {
    this.#plans = plans;
    this.#connections = connections;
    this.#catalog = catalog;
    this.#reporter = reporter;
  }

  plan(text: string): PlannedText {
    return this.#plans.planFor(text);
  }

  /** Runs a plan that has a statement. */
  async run(planned: PlannedText, parameters: Parameters, options: CallOptions): Promise<QueryResult> {
    const { plan, values, cacheHit } = planned;
    throwIfAborted("The query", options.signal);
    const operation = plan.kind as "select" | "update" | "delete";
    const collection = plan.collections[0] ?? "";
    return this.#reporter.report(
      { operation, collection, shape: plan.shape, cacheHit, parameters },
      ({ rowCount }) => rowCount,
      async (times) => {
        const bound = plan.bind(values, parameters);
        if (!this.#catalog.has(collection)) await this.#catalog.need(collection);
        const asked = this.#reporter.clock.now();
        const role = operation === "select" ? "read" : "write";
        let lent = false;
        try {
          return await this.#connections.use(
            role,
            options,
            (connection) => {
              lent = true;
              times.waitMs = this.#reporter.clock.now() - asked;
              return this.#onConnection(connection, plan, bound, times, remaining(options, times.waitMs));
            },
            plan.statement?.name,
          );
        } catch (error) {
          if (!lent) times.waitMs = this.#reporter.clock.now() - asked;
          this.#catalog.noticeMissing(error, collection);
          throw error;
        }
      },
    );
  }

  /** Runs a plan on a connection that the caller holds, as a part of its transaction. */
  async runOn(
    connection: Connection,
    { plan, values }: PlannedText,
    parameters: Parameters,
    options: CallOptions,
    times: QueryTimes,
  ): Promise<QueryResult> {
    throwIfAborted("The query", options.signal);
    const bound = plan.bind(values, parameters);
    return this.#onConnection(connection, plan, bound, times, options);
  }

  /** The rows of a SELECT one by one, in constant memory. The connection is held until the end. */
  async *stream(planned: PlannedText, parameters: Parameters, options: CallOptions): AsyncGenerator<Row> {
    const { plan, values, cacheHit } = planned;
    const { statement } = plan;
    if (plan.kind !== "select" || statement === undefined) {
      throw new FormDBError("FORMDB_UNSUPPORTED", `Only a SELECT can be streamed, not ${plan.shape}`);
    }
    const collection = plan.collections[0] ?? "";
    const facts = {
      operation: "select",
      collection,
      shape: plan.shape,
      cacheHit,
      parameters,
    } as const;
    const query = this.#reporter.begin(facts);
    try {
      const bound = plan.bind(values, parameters);
      if (!this.#catalog.has(collection)) await this.#catalog.need(collection);
      for await (const chunk of this.#chunks(statement, bound, options, query)) {
        for (const columns of chunk) {
          query.rows++;
          yield plan.decode(columns);
        }
      }
    } catch (error) {
      this.#catalog.noticeMissing(error, collection);
      query.fail(error);
      throw error;
    } finally {
      // A caller that leaves early has got what it wanted.
      query.end();
    }
  }

  /** The rows of a statement in chunks; its time runs from here to the end, whatever the caller does between. */
  async *#chunks(
    statement: EngineStatement,
    bound: readonly unknown[],
    options: CallOptions,
    times: QueryTimes,
  ): AsyncGenerator<readonly (readonly unknown[])[]> {
    const { clock } = this.#reporter;
    const start = clock.now();
    let connection: Connection;
    try {
      connection = await this.#connections.read.acquire(options);
    } finally {
      times.waitMs = clock.now() - start;
    }
    if (this.#connections.single) {
      let chunks: readonly (readonly (readonly unknown[])[])[];
      try {
        chunks = await this.#allChunks(connection, statement, bound, options);
      } finally {
        times.databaseMs = clock.now() - start - times.waitMs;
      }
      yield* chunks;
      return;
    }
    let failure: unknown;
    try {
      for await (const chunk of connection.stream(statement, bound, remaining(options, times.waitMs))) {
        times.databaseMs = clock.now() - start - times.waitMs;
        yield chunk;
        if (options.timeoutMs !== undefined && clock.now() - start > options.timeoutMs) {
          throw timeoutError("The stream", options.timeoutMs);
        }
      }
    } catch (error) {
      times.databaseMs = clock.now() - start - times.waitMs;
      failure = error;
      throw error;
    } finally {
      this.#connections.giveBack("read", connection, failure);
    }
  }

  /**
   * Where there is only one connection, that of a database in memory, holding it while the caller goes through the
   * rows would block whatever the caller does with them. The rows, in memory as they are, are taken at once.
   */
  async #allChunks(
    connection: Connection,
    statement: EngineStatement,
    bound: readonly unknown[],
    options: CallOptions,
  ): Promise<(readonly (readonly unknown[])[])[]> {
    let failure: unknown;
    try {
      const chunks: (readonly (readonly unknown[])[])[] = [];
      for await (const chunk of connection.stream(statement, bound, options)) chunks.push(chunk);
      return chunks;
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      this.#connections.giveBack("read", connection, failure);
    }
  }

  async #onConnection(
    connection: Connection,
    plan: Plan,
    bound: readonly unknown[],
    times: QueryTimes,
    options: CallOptions,
  ): Promise<QueryResult> {
    const { clock } = this.#reporter;
    const sent = clock.now();
    let received = sent;
    let result: EngineResult;
    try {
      result = await connection.execute(plan.statement!, bound, options);
    } finally {
      received = clock.now();
      times.databaseMs = received - sent;
    }
    const { rows, rowCount } = result;
    const decoded: Row[] = new Array(rows.length);
    for (let i = 0; i < rows.length; i++) decoded[i] = plan.decode(rows[i]!);
    times.decodeMs = clock.now() - received;
    return { rows: decoded, rowCount };
  }
}

/** What is left of a call's time after it has waited for a connection. */
function remaining(options: CallOptions, waitedMs: number): CallOptions {
  if (options.timeoutMs === undefined) return options;
  return { signal: options.signal, timeoutMs: Math.max(1, options.timeoutMs - waitedMs) };
}
