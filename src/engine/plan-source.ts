import { FormDBError } from "../base/errors.ts";
import type { QueryOperation } from "../base/observer.ts";
import { show } from "../base/options.ts";
import type { CacheOutcome, PlanCache } from "../cache/plan-cache.ts";
import type { Dialect } from "../dialect/dialect.ts";
import { compile } from "../plan/compile.ts";
import { isCompiled } from "../plan/compiled.ts";
import type { Plan } from "../plan/plan.ts";
import { statementOf } from "../query/parser.ts";
import { type ShapedText, shapeOf } from "../query/shape.ts";
import type { Statement } from "../query/syntax-tree.ts";
import type { Catalog } from "./catalog.ts";

/** Texts whose shape is remembered. */
const MAX_TEXTS = 2_000;
/** Longer texts are scanned each time: remembering them costs more than it saves. */
const MAX_REMEMBERED_LENGTH = 2_000;

/** A statement that was made without a text, with the key of its shape. */
export interface PlannedTree {
  readonly statement: Statement;
  readonly key: string;
  /** The values of its slots. */
  readonly values: readonly unknown[];
}

/** A text's plan, and the literals that its text held. */
export interface PlannedText {
  readonly plan: Plan;
  readonly values: readonly unknown[];
  /** Whether the plan was in the cache. */
  readonly cacheHit: boolean;
}

/**
 * From a query's text to its plan, in two steps: the text gives its shape, which is remembered if the text is likely to
 * come again; the shape gives the plan, from the cache or from the compiler.
 */
export class PlanSource {
  readonly #cache: PlanCache<Plan>;
  readonly #dialect: Dialect;
  readonly #catalog: Catalog;
  readonly #texts = new Map<string, ShapedText>();

  constructor(cache: PlanCache<Plan>, dialect: Dialect, catalog: Catalog) {
    this.#cache = cache;
    this.#dialect = dialect;
    this.#catalog = catalog;
  }

  /** Throws `FORMDB_SYNTAX`, or `FORMDB_UNSUPPORTED` for what is well-formed but means nothing. */
  planFor(text: string): PlannedText {
    if (typeof text !== "string") {
      throw new FormDBError("FORMDB_SYNTAX", `A query must be a string, not ${show(text)}`);
    }
    return this.#planForText(text, this.#shape(text));
  }

  /** The plan of a tree, which the texts of its shape share. */
  planForTree({ statement, key, values }: PlannedTree): PlannedText {
    return this.#planFor(key, values, () => this.#compile(frozen(statement), key));
  }

  /** As `inspect`. */
  inspectTree(tree: PlannedTree): InspectedText {
    const outcome = this.#cache.outcomeOf(tree.key);
    return { ...this.planForTree(tree), outcome };
  }

  /** The plan and how the cache would answer for it, without counting a look-up. */
  inspect(text: string): InspectedText {
    const shaped = this.#shape(text);
    // The outcome of the explained query is shown, not that of the EXPLAIN.
    const outcome = this.#cache.outcomeOf(shaped.key.replace(/^EXPLAIN /, ""));
    return { ...this.#planForText(text, shaped), outcome };
  }

  #planForText(text: string, shaped: ShapedText): PlannedText {
    const { key, values } = shaped;
    // The tree comes from the text, so that errors point into it; it is that of every text of the shape.
    return this.#planFor(key, values, () => this.#compile(statementOf(text, shaped), key));
  }

  #planFor(key: string, values: readonly unknown[], make: () => Plan): PlannedText {
    const plan = this.#cache.getOrCompileSync(key, make, PLAN_OPTIONS);
    // Anybody may put anything into a cache; only what the compiler made for this engine is run.
    if (isCompiled(plan) && plan.dialect === this.#dialect.name) {
      return { plan, values, cacheHit: this.#cache.lastOutcome === "hit" };
    }
    this.#cache.countBypass();
    return { plan: make(), values, cacheHit: false };
  }

  /** Spelled by the indexes that the collection has, where the engine's dialect asks for that. */
  #compile(statement: Statement, key: string): Plan {
    const { knowing } = this.#dialect;
    const collection = knowing && collectionOf(statement);
    const indexOf = collection && this.#catalog.knownIndexes(collection);
    return compile(statement, key, indexOf ? knowing!(indexOf) : this.#dialect);
  }

  #shape(text: string): ShapedText {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    const shaped = shapeOf(text);
    // A text whose values are all literals is likely to be another one the next time.
    if ((shaped.values.length === 0 || hasParameters(shaped)) && text.length <= MAX_REMEMBERED_LENGTH) {
      this.#texts.set(text, shaped);
      if (this.#texts.size > MAX_TEXTS) this.#texts.delete(this.#texts.keys().next().value!);
    }
    return shaped;
  }
}

/** A plan, and how the cache would have answered for it. */
type InspectedText = PlannedText & { readonly outcome: CacheOutcome };

/** The tree with all its nodes frozen, as the parser gives them. */
function frozen<T>(node: T): T {
  if (typeof node === "object" && node !== null && !Object.isFrozen(node)) {
    for (const part of Object.values(node)) frozen(part);
    Object.freeze(node);
  }
  return node;
}

function hasParameters({ key }: ShapedText): boolean {
  return key.includes("$") || key.includes(":");
}

const PLAN_OPTIONS = { tags: (plan: Plan): readonly string[] => plan.collections };

function collectionOf(statement: Statement): string | undefined {
  return statement.type === "explain" ? collectionOf(statement.statement) : statement.collection;
}

/** What the first word of a query does. */
const OPERATIONS: ReadonlyMap<string, QueryOperation> = new Map([
  ["SELECT", "select"],
  ["INSERT", "insert"],
  ["UPDATE", "update"],
  ["DELETE", "delete"],
  ["EXPLAIN", "explain"],
  ["INTROSPECT", "introspect"],
  ["CREATE", "ddl"],
  ["DROP", "ddl"],
]);

/** What a text that can't be planned was meant to do, by its first word. */
export function operationOf(text: unknown): QueryOperation {
  const word = typeof text === "string" ? /^\s*([a-z]+)/i.exec(text)?.[1] : undefined;
  return OPERATIONS.get(word?.toUpperCase() ?? "") ?? "other";
}
