import type { Backend } from "../backend/backend.ts";
import { type Explanation as PlanExplanation, renderExplanation } from "../plan/explain-tree.ts";
import type { Parameters } from "../plan/plan.ts";
import type { Catalog } from "./catalog.ts";
import type { Connections } from "./connections.ts";
import type { PlanSource } from "./plan-source.ts";

/** What is known of a query without running it. */
export interface Explanation extends PlanExplanation {
  readonly collection: string | undefined;
  /** What the engine is given for the statement's placeholders. */
  readonly parameters: readonly unknown[];
  /** The first of `indexes`, by its FormDB name; `primary key` for the documents' ids. */
  readonly index: string | undefined;
}

/** Explains queries: their shape, how the cache answers, and the engine's own plan for the parameters given. */
export class Explainer {
  readonly #backend: Backend;
  readonly #plans: PlanSource;
  readonly #connections: Connections;
  readonly #catalog: Catalog;

  constructor(backend: Backend, plans: PlanSource, connections: Connections, catalog: Catalog) {
    this.#backend = backend;
    this.#plans = plans;
    this.#connections = connections;
    this.#catalog = catalog;
  }

  async explain(text: string, parameters: Parameters): Promise<Explanation> {
    const { plan: outer, values, outcome } = this.#plans.inspect(text);
    const plan = outer.explained ?? outer;
    const { kind, cost } = plan;
    const shape = plan.shape.replace(/^EXPLAIN /, "");
    const { statement, values: bound } = plan.bind(values, parameters);
    const collection = plan.collections[0];
    const about = { kind, collection, shape, cache: outcome, parameters: bound };
    if (statement === undefined || collection === undefined) {
      return {
        ...about,
        statement: undefined,
        cost: undefined,
        index: undefined,
        indexes: [],
        enginePlan: [],
      };
    }
    if (!this.#catalog.has(collection)) await this.#catalog.need(collection);
    const enginePlan = await this.#enginePlan(statement.text, bound);
    const indexes = await this.#indexesIn(enginePlan, collection);
    const { text: statementText } = statement;
    return { ...about, statement: statementText, cost, index: indexes[0], indexes, enginePlan };
  }

  /** The explanation as rows of one column, a line each: what `EXPLAIN …` as a query gives. */
  async explainAsRows(text: string, parameters: Parameters): Promise<{ plan: string }[]> {
    const explanation = await this.explain(text, parameters);
    return renderExplanation(explanation)
      .split("\n")
      .map((plan) => ({ plan }));
  }

  async #enginePlan(statement: string, bound: readonly unknown[]): Promise<string[]> {
    const text = this.#backend.dialect.explainPrefix + statement;
    const { rows } = await this.#connections.use("read", {}, (connection) =>
      connection.execute({ text, name: "", prepare: false, cost: "bounded", returnsRows: true }, bound),
    );
    return rows.map((row) => String(row.at(-1)));
  }

  async #indexesIn(enginePlan: readonly string[], collection: string): Promise<string[]> {
    const { ddl } = this.#backend.dialect;
    const mentioned = (name: string): boolean => enginePlan.some((line) => line.includes(name));
    const indexes = (await this.#catalog.indexes(collection))
      .map(({ name }) => name)
      .filter((name) => mentioned(ddl.indexName(collection, name)));
    return mentioned(ddl.primaryKeyName(collection)) ? [...indexes, "primary key"] : indexes;
  }
}
