import type { Backend } from "../backend/backend.ts";
import { unprepared } from "../base/engine-statement.ts";
import { type IndexPath, isPlace } from "../base/subject.ts";
import { conditionsOf, type ListedCondition } from "../plan/condition-list.ts";
import { type Explanation as PlanExplanation, renderExplanation } from "../plan/explain-tree.ts";
import type { Parameters } from "../plan/plan.ts";
import type { Catalog } from "./catalog.ts";
import type { Connections } from "./connections.ts";
import type { PlannedTree, PlanSource } from "./plan-source.ts";

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

  explain(text: string, parameters: Parameters): Promise<Explanation> {
    return this.#explain(this.#plans.inspect(text), parameters);
  }

  /** The same for a query that was made without a text. */
  explainTree(tree: PlannedTree): Promise<Explanation> {
    return this.#explain(this.#plans.inspectTree(tree), []);
  }

  async #explain(
    { plan: outer, values, outcome }: ReturnType<PlanSource["inspect"]>,
    parameters: Parameters,
  ): Promise<Explanation> {
    const plan = outer.explained ?? outer;
    const { kind, cost } = plan;
    const shape = plan.shape.replace(/^EXPLAIN /, "");
    const { statement, values: bound, merged } = plan.bind(values, parameters);
    const collection = plan.collections[0];
    const about = { kind, collection, shape, cache: outcome, parameters: bound };
    if (statement === undefined || collection === undefined) {
      return {
        ...about,
        statement: undefined,
        merges: false,
        cost: undefined,
        conditions: [],
        index: undefined,
        indexes: [],
        enginePlan: [],
      };
    }
    if (!this.#catalog.has(collection)) await this.#catalog.need(collection);
    const enginePlan = await this.#enginePlan(collection, statement.text, bound);
    const listed = conditionsOf(plan.tree);
    const used = withoutWayBack(await this.#indexesIn(enginePlan, collection), listed);
    const leading = used.filter(({ leads }) => leads);
    const conditions = listed.map(({ text, paths }) => ({
      text,
      index: leading.find((index) => index.paths.some((path) => paths.some((other) => samePath(path, other))))
        ?.name,
    }));
    const indexes = used.map(({ name }) => name);
    return {
      ...about,
      statement: statement.text,
      merges: merged?.() !== undefined,
      // The keys alone say what is a look-up by id; what indexes are there, only the engine knows.
      cost: cost === "scan" && leading.length > 0 ? "indexed" : cost,
      conditions,
      index: indexes[0],
      indexes,
      enginePlan,
    };
  }

  /** The explanation as rows of one column, a line each: what `EXPLAIN …` as a query gives. */
  async explainAsRows(text: string, parameters: Parameters): Promise<{ plan: string }[]> {
    const explanation = await this.explain(text, parameters);
    return renderExplanation(explanation)
      .split("\n")
      .map((plan) => ({ plan }));
  }

  async #enginePlan(collection: string, statement: string, bound: readonly unknown[]): Promise<string[]> {
    const text = this.#backend.dialect.explainPrefix + statement;
    const asked = unprepared(text, { cost: "bounded", returnsRows: true });
    try {
      const { rows } = await this.#connections.use("read", {}, (connection) =>
        connection.execute(asked, bound),
      );
      return rows.map((row) => String(row.at(-1)));
    } catch (error) {
      this.#catalog.noticeMissing(error, collection);
      throw error;
    }
  }

  async #indexesIn(enginePlan: readonly string[], collection: string): Promise<readonly UsedIndex[]> {
    const { ddl } = this.#backend.dialect;
    const definitions = [
      ...(await this.#catalog.indexes(collection)).map(({ name, paths }) => ({
        name,
        paths,
        physical: ddl.indexName(collection, name),
      })),
      { name: "primary key", paths: [["id"]], physical: ddl.primaryKeyName(collection) },
    ];
    return definitions.flatMap(({ name, paths, physical }) => {
      const lines = enginePlan.flatMap((line, i) => (line.includes(physical) ? [i] : []));
      if (lines.length === 0) return [];
      return [{ name, paths, leads: lines.some((i) => leadsAt(enginePlan, i)) }];
    });
  }
}

/** An index that the engine uses: to get to the documents, or only for their order. */
interface UsedIndex {
  readonly name: string;
  readonly paths: readonly IndexPath[];
  readonly leads: boolean;
}

/** SQLite gets from the elements of an array to the documents by their ids, which no condition has to be about. */
function withoutWayBack(
  used: readonly UsedIndex[],
  conditions: readonly ListedCondition[],
): readonly UsedIndex[] {
  const isOfElements = used.some(({ paths }) => !paths.every(isPlace));
  if (!isOfElements || conditions.some(({ paths }) => paths.some(isId))) return used;
  return used.filter(({ paths }) => !paths.some(isId));
}

const isId = (path: IndexPath): boolean => samePath(path, ["id"]);

/** SQLite says `SEARCH` on the line that names the index; PostgreSQL has `Index Cond` on the next. */
function leadsAt(enginePlan: readonly string[], line: number): boolean {
  return /\bSEARCH\b/.test(enginePlan[line]!) || /^\s*Index Cond:/.test(enginePlan[line + 1] ?? "");
}

function samePath(a: IndexPath, b: IndexPath): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
