import type { Backend } from "../backend/backend.ts";
import type { CacheOutcome } from "../cache/plan-cache.ts";
import { explainTree } from "../plan/explain-tree.ts";
import type { Parameters, Plan } from "../plan/plan.ts";
import type { Catalog } from "./catalog.ts";
import type { Connections } from "./connections.ts";
import type { PlanSource } from "./plan-source.ts";

/** What is known of a query without running it. */
export interface Explanation {
  readonly kind: Plan["kind"];
  readonly collection: string | undefined;
  readonly shape: string;
  /** How the plan cache answered: `hit`, or why it did not. */
  readonly cache: CacheOutcome;
  /** What the engine is given; undefined for what FormDB does itself, such as INSERT. */
  readonly statement: string | undefined;
  readonly parameters: readonly unknown[];
  readonly cost: "point" | "bounded" | "scan" | undefined;
  /** The index that the engine will use, by its FormDB name; `primary key` for the documents' ids. */
  readonly index: string | undefined;
  /** The engine's own plan, a line each. */
  readonly enginePlan: readonly string[];
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
    const { kind, shape, statement } = plan;
    const bound = plan.bind(values, parameters);
    const collection = plan.collections[0];
    const about = { kind, collection, shape, cache: outcome, parameters: bound };
    if (statement === undefined || collection === undefined) {
      return { ...about, statement: undefined, cost: undefined, index: undefined, enginePlan: [] };
    }
    if (!this.#catalog.has(collection)) await this.#catalog.need(collection);
    const enginePlan = await this.#enginePlan(statement.text, bound);
    const index = await this.#indexIn(enginePlan, collection);
    return { ...about, statement: statement.text, cost: statement.cost, index, enginePlan };
  }

  /** The explanation as rows of one column, a line each: what `EXPLAIN …` as a query gives. */
  async explainAsRows(text: string, parameters: Parameters): Promise<{ plan: string }[]> {
    const explanation = await this.explain(text, parameters);
    return explainTree(explanation)
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

  async #indexIn(enginePlan: readonly string[], collection: string): Promise<string | undefined> {
    const { ddl } = this.#backend.dialect;
    const mentions = (name: string): boolean => enginePlan.some((line) => line.includes(name));
    for (const { name } of await this.#catalog.indexes(collection)) {
      if (mentions(ddl.indexName(collection, name))) return name;
    }
    return mentions(ddl.primaryKeyName(collection)) ? "primary key" : undefined;
  }
}
