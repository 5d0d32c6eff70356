import type { Connection, EngineResult } from "../backend/backend.ts";
import { type CallOptions, isBounded } from "../base/abort.ts";
import type { Document, Row } from "../base/document.ts";
import { turnAfterShortCall } from "../base/loop-turn.ts";
import { parseDocument } from "../plan/decode.ts";
import type { BoundStatement, Parameters, Plan } from "../plan/plan.ts";
import type { Entry } from "../pool/entry.ts";
import type { Answer } from "./answer.ts";
import type { Catalog } from "./catalog.ts";
import type { Connections } from "./connections.ts";
import { decodeRows, factsOf, type Query, type QueryResult } from "./read.ts";
import type { OngoingQuery, QueryFacts, Reporter } from "./reporter.ts";

/** No short read takes so long, so that a time-out of this or more need not be watched. A call with a shorter one goes the long way. */
const LOOSE_MS = 1_000;

/**
 * Short reads, by an idle connection that answers on the caller's thread: there is nothing to wait for, so that one
 * promise is all that stands between the caller and the engine. A call that can't be answered in this way is told
 * `undefined`, and nothing has happened: it takes the long way.
 */
export class ReadsAtOnce {
  readonly #connections: Connections;
  readonly #catalog: Catalog;
  readonly #reporter: Reporter;
  readonly #facts = new Map<string, QueryFacts>();

  constructor(connections: Connections, catalog: Catalog, reporter: Reporter) {
    this.#connections = connections;
    this.#catalog = catalog;
    this.#reporter = reporter;
  }

  /** The document of an id; null if there is none. */
  get(collection: string, id: string, options: CallOptions): Answer<Document | null> | undefined {
    if (!this.#mayAnswer(collection, options)) return undefined;
    const { clock } = this.#reporter;
    const start = clock.now();
    const loan = this.#connections.tryImmediate(start);
    if (loan === undefined) return undefined;
    const query = this.#reporter.beginShort(this.#factsOfGet(collection), start);
    let document: Document | null = null;
    try {
      const text = this.#readText(loan.resource, collection, id);
      const received = clock.now();
      this.#connections.read.takeBack(loan, received);
      query.databaseMs = received - start;
      if (text === undefined) this.#reporter.endShort(query, received);
      else {
        document = parseDocument(id, text);
        const now = clock.now();
        query.decodeMs = now - received;
        query.rows = 1;
        this.#reporter.endShort(query, now);
      }
    } catch (error) {
      this.#catalog.noticeMissing(error, collection);
      query.fail(error);
      throw error;
    }
    const turn = turnAfterShortCall();
    return turn === undefined ? document : turn.then(() => document);
  }

  /** The rows of a SELECT. */
  run(query: Query): Answer<QueryResult> | undefined {
    const { plan, values, parameters, options } = query;
    if (plan.kind !== "select" || !this.#mayAnswer(plan.collections[0]!, options)) return undefined;
    const bound = bindOrNot(plan, values, parameters);
    if (bound === undefined || !this.#connections.isShort(bound.statement!, isBounded(options)))
      return undefined;
    const start = this.#reporter.clock.now();
    const loan = this.#connections.tryImmediate(start);
    if (loan === undefined) return undefined;
    const facts = factsOf(query, { operation: "select", held: undefined });
    const ongoing = this.#reporter.beginShort(facts, start);
    try {
      const { rows, rowCount } = this.#readRows(loan, bound, ongoing);
      const decoded = decodeRows(plan, rows);
      if (decoded instanceof Promise) return this.#decodeMany(decoded, ongoing);
      this.#end(ongoing, rowCount);
      const result: QueryResult = { rows: decoded, rowCount };
      const turn = turnAfterShortCall();
      return turn === undefined ? result : turn.then(() => result);
    } catch (error) {
      this.#catalog.noticeMissing(error, plan.collections[0]!);
      ongoing.fail(error);
      throw error;
    }
  }

  #mayAnswer(collection: string, { signal, timeoutMs = Infinity }: CallOptions): boolean {
    // A signal can't fire while the read runs, and whoever gave it has looked at it before.
    if (signal?.aborted || timeoutMs < LOOSE_MS || !this.#connections.answersAtOnce) return false;
    return !this.#reporter.traced && this.#catalog.has(collection);
  }

  /** Kept for the collections that there are: made each time, they would cost a hash of their text. */
  #factsOfGet(collection: string): QueryFacts {
    let facts = this.#facts.get(collection);
    if (facts === undefined) {
      facts = factsOfGet(collection);
      this.#facts.set(collection, facts);
    }
    return facts;
  }

  #readText(connection: Connection, collection: string, id: string): string | undefined {
    try {
      return connection.immediate!.get(collection, id);
    } catch (error) {
      this.#connections.giveBack("read", connection, error);
      throw error;
    }
  }

  #readRows(
    loan: Entry<Connection>,
    { statement, values }: BoundStatement,
    times: OngoingQuery,
  ): EngineResult {
    const reads = loan.resource.immediate!;
    let result: EngineResult;
    try {
      result = reads.execute(statement!, values, times.startedAt);
    } catch (error) {
      this.#connections.giveBack("read", loan.resource, error);
      throw error;
    }
    const received = this.#reporter.clock.now();
    this.#connections.read.takeBack(loan, received);
    times.databaseMs = received - times.startedAt;
    reads.took(statement!, times.databaseMs);
    return result;
  }

  async #decodeMany(decoded: Promise<Row[]>, ongoing: OngoingQuery): Promise<QueryResult> {
    try {
      const rows = await decoded;
      this.#end(ongoing, rows.length);
      return { rows, rowCount: rows.length };
    } catch (error) {
      ongoing.fail(error);
      throw error;
    }
  }

  #end(ongoing: OngoingQuery, rowCount: number): void {
    const now = this.#reporter.clock.now();
    ongoing.decodeMs = now - ongoing.startedAt - ongoing.databaseMs;
    ongoing.rows = rowCount;
    this.#reporter.endShort(ongoing, now);
  }
}

/** What is reported of a read by id. */
export function factsOfGet(collection: string): QueryFacts {
  return Object.freeze({ operation: "get", collection, shape: `get ${collection}`, cacheHit: true });
}

/** Undefined for parameters that don't fit: the run that is reported refuses them. */
function bindOrNot(
  plan: Plan,
  values: readonly unknown[],
  parameters: Parameters,
): BoundStatement | undefined {
  try {
    return plan.bind(values, parameters);
  } catch {
    return undefined;
  }
}
