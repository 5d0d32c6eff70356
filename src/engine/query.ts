import { bounded, type CallOptions } from "../base/abort.ts";
import type { Row } from "../base/document.ts";
import { FormDBError } from "../base/errors.ts";
import type { QueryOperation } from "../base/observer.ts";
import { show } from "../base/options.ts";
import type { Parameters } from "../plan/plan.ts";
import type { Engine } from "./engine.ts";
import type { PlannedText } from "./plan-source.ts";
import type { QueryResult } from "./read.ts";

/** Runs queries of the query language: each kind goes to the part whose business it is. */
export class Queries {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Throws at once where the query can't even be begun. */
  run(text: string, parameters: Parameters, options: CallOptions): Promise<QueryResult> {
    const { reader, transactions, backend } = this.#engine;
    const planned = this.#plan(text);
    const { plan, values } = planned;
    switch (plan.kind) {
      case "select": {
        const id = backend.gathersReads ? plan.pointId?.(values, parameters) : undefined;
        if (id !== undefined) return this.#get(plan.collections[0]!, id, options);
        this.refuseWaitingForItself("A query");
        return reader.run(planned, parameters, options);
      }
      case "update":
      case "delete":
        transactions.refuseInside("A query that writes");
        return reader.run(planned, parameters, options);
      case "insert":
        transactions.refuseInside("A query that writes");
        return this.#reported("insert", "The insert", planned, parameters, options, () =>
          this.#insert(planned, parameters, options),
        );
      case "explain":
        return this.#reported("explain", "The explanation", planned, parameters, options, () =>
          this.#explain(text, parameters),
        );
      default:
        transactions.refuseInside("A change of the schema");
        return this.#changeSchema(planned, parameters, options);
    }
  }

  stream(text: string, parameters: Parameters, options: CallOptions): AsyncGenerator<Row> {
    this.refuseWaitingForItself("stream()");
    return this.#engine.reader.stream(this.#plan(text), parameters, options);
  }

  /** With a single connection a transaction holds it, and what waits for it inside waits for ever. */
  refuseWaitingForItself(what: string): void {
    const { transactions, connections } = this.#engine;
    if (transactions.inside && connections.single) transactions.refuseInside(what);
  }

  async #get(collection: string, id: string, options: CallOptions): Promise<QueryResult> {
    const found = await this.#engine.reads.get(collection, id, options);
    return found === undefined ? { rows: [], rowCount: 0 } : { rows: [found as Row], rowCount: 1 };
  }

  async #insert(
    { plan, values }: PlannedText,
    parameters: Parameters,
    { signal }: CallOptions,
  ): Promise<QueryResult> {
    const [document] = plan.bind(values, parameters);
    const { id } = await this.#engine.batch.submit(
      "insert",
      plan.collections[0]!,
      undefined,
      document,
      signal,
    );
    return { rows: [{ id }], rowCount: 1 };
  }

  async #explain(text: string, parameters: Parameters): Promise<QueryResult> {
    const rows = await this.#engine.explainer.explainAsRows(text, parameters);
    return { rows, rowCount: rows.length };
  }

  #changeSchema(planned: PlannedText, parameters: Parameters, options: CallOptions): Promise<QueryResult> {
    const { plan, values } = planned;
    const operation = plan.kind === "introspect" ? "introspect" : "ddl";
    return this.#reported(operation, "The change of the schema", planned, parameters, options, async () => {
      plan.bind(values, parameters);
      return this.#engine.schema.run(plan);
    });
  }

  /** Runs what has no statement of its own, within its caller's time, and reports it as the query that it is. */
  #reported(
    operation: QueryOperation,
    what: string,
    { plan, cacheHit }: PlannedText,
    parameters: Parameters,
    options: CallOptions,
    work: () => Promise<QueryResult>,
  ): Promise<QueryResult> {
    const { reporter } = this.#engine;
    const collection = plan.collections[0] ?? "";
    return reporter.report(
      { operation, collection, shape: plan.shape, cacheHit, parameters },
      ({ rowCount }) => rowCount,
      async (times) => {
        const start = reporter.clock.now();
        try {
          return await bounded(what, work(), reporter.clock, options);
        } finally {
          times.databaseMs = reporter.clock.now() - start;
        }
      },
    );
  }

  #plan(text: string): PlannedText {
    if (typeof text !== "string") {
      throw new FormDBError("FORMDB_SYNTAX", `A query must be a string, not ${show(text)}`);
    }
    try {
      return this.#engine.reader.plan(text);
    } catch (error) {
      this.#engine.reporter.failed(error);
      throw error;
    }
  }
}
