import type { CallOptions } from "../base/abort.ts";
import type { Document, Row } from "../base/document.ts";
import type { Parameters, Plan } from "../plan/plan.ts";
import { type Answer, answered } from "./answer.ts";
import { dispatch, type QueryPlace } from "./dispatch.ts";
import type { Engine } from "./engine.ts";
import { documentsOf, encodeAll, inserted } from "./insert.ts";
import type { PlannedTree } from "./plan-source.ts";
import type { Query, QueryResult } from "./read.ts";

/** Runs queries of the query language on connections that are lent for each. */
export class Queries implements QueryPlace {
  readonly #engine: Engine;
  readonly held: undefined = undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Throws at once if the query can't even be begun. What is answered at once is no promise. */
  run(text: string, parameters: Parameters, options: CallOptions): Answer<QueryResult> {
    const { reader } = this.#engine;
    return this.#run(reader.plan(text, parameters, options));
  }

  /** The same for a statement that was made without a text. */
  runTree(tree: PlannedTree, options: CallOptions): Answer<QueryResult> {
    return this.#run(this.#engine.reader.planTree(tree, options));
  }

  #run(query: Query): Answer<QueryResult> {
    const { reader, readsAtOnce } = this.#engine;
    const { plan, options } = query;
    const id = plan.pointId === undefined ? undefined : idOf(query);
    if (id !== undefined) return this.#get(plan.collections[0]!, id, options);
    this.#refuseInside(plan.kind);
    return readsAtOnce.run(query) ?? dispatch(query, this, reader);
  }

  streamTree(tree: PlannedTree, options: CallOptions): AsyncGenerator<Row> {
    const { reader, transactions } = this.#engine;
    transactions.refuseWaiting("stream()");
    return reader.stream(reader.planTree(tree, options));
  }

  stream(text: string, parameters: Parameters, options: CallOptions): AsyncGenerator<Row> {
    const { reader, transactions } = this.#engine;
    transactions.refuseWaiting("stream()");
    return reader.stream(reader.plan(text, parameters, options));
  }

  async insert(query: Query): Promise<QueryResult> {
    const documents = documentsOf(query);
    const { batch, transactions, writer, makeId } = this.#engine;
    const collection = query.plan.collections[0]!;
    if (documents.length === 0) return inserted([]);
    if (documents.length > 1) {
      // All or none: as a transaction of their own.
      const operations = encodeAll(collection, documents, makeId);
      await writer.insertInto(collection, query.options, (left) =>
        transactions.run((open) => open.insertAll(operations), left),
      );
      return inserted(operations.map(({ id }) => id));
    }
    // The query's failure is counted as one: so the write's is not.
    const options = { ...query.options, countsFailures: false };
    const { id } = await batch.submit("insert", collection, undefined, documents[0], options);
    return inserted([id]);
  }

  async explain({ text, parameters }: Query): Promise<QueryResult> {
    const rows = await this.#engine.explainer.explainAsRows(text, parameters);
    return { rows, rowCount: rows.length };
  }

  async changeSchema({ plan, values, parameters }: Query): Promise<QueryResult> {
    plan.bind(values, parameters);
    return this.#engine.schema.run(plan);
  }

  #refuseInside(kind: Plan["kind"]): void {
    const { transactions } = this.#engine;
    switch (kind) {
      case "select":
      case "explain":
        break;
      case "insert":
      case "update":
      case "delete":
      case "change":
        transactions.refuseInside("A query that writes");
        break;
      default:
        transactions.refuseInside("A change of the schema");
    }
  }

  #get(collection: string, id: string, options: CallOptions): Answer<QueryResult> {
    const { reads, readsAtOnce } = this.#engine;
    let found: Answer<Found> = readsAtOnce.get(collection, id, options);
    if (found === undefined) found = reads.get(collection, id, options);
    return answered(found, toResult);
  }
}

/** The one document that is asked for. Parameters that do not fit are refused where the statement's failure is counted. */
function idOf({ plan, values, parameters }: Query): string | undefined {
  try {
    return plan.pointId!(values, parameters);
  } catch {
    return undefined;
  }
}

type Found = Document | null | undefined;

function toResult(found: Found): QueryResult {
  return found ? { rows: [found], rowCount: 1 } : { rows: [], rowCount: 0 };
}
