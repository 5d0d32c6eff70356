import { boundsOf, type CallOptions, NO_BOUNDS, TimeOfParts } from "../../base/abort.ts";
import type { Clock } from "../../base/clock.ts";
import { checkCollectionName } from "../../base/collection-name.ts";
import { encodeId, type Row } from "../../base/document.ts";
import type { Ending } from "../../batch/operation.ts";
import type { Change } from "../../query/syntax-tree.ts";
import type { Answer } from "../answer.ts";
import type { CallGate } from "../call-gate.ts";
import type { Engine } from "../engine.ts";
import type { Explanation } from "../explain.ts";
import type { PlannedTree } from "../plan-source.ts";
import type { Queries } from "../query.ts";
import type { QueryResult } from "../read.ts";
import type { QueuedChange } from "../write.ts";
import type { ChangeOfOne, CollectionHost, DatabaseMethods, Versioned } from "./host.ts";

/** A database as what a collection's handle works on. */
export class DatabaseHost implements CollectionHost {
  readonly methods: DatabaseMethods;
  readonly clock: Clock;
  readonly findsFirst: boolean | undefined;
  readonly #engine: Engine;
  readonly #queries: Queries;
  readonly #gate: CallGate;

  constructor(methods: DatabaseMethods, engine: Engine, queries: Queries, gate: CallGate) {
    this.methods = methods;
    this.clock = engine.reporter.clock;
    this.findsFirst = engine.backend.dialect.findsFirst;
    this.#engine = engine;
    this.#queries = queries;
    this.#gate = gate;
  }

  async getVersioned(
    collection: string,
    id: string | number,
    options: CallOptions = NO_BOUNDS,
  ): Promise<Versioned<Row> | undefined> {
    this.#gate.check("get()", options);
    const key = encodeId(id);
    checkCollectionName(collection);
    const { reads, writer } = this.#engine;
    const time = new TimeOfParts("get()", options, this.clock);
    return this.#gate.run("get()", async () =>
      (await writer.mayRead(collection, time.next()))
        ? reads.getVersioned(collection, key, time.next())
        : undefined,
    );
  }

  absence(collection: string, options: CallOptions): Promise<string | undefined> {
    return this.#engine.writer.absence(collection, options);
  }

  change(
    what: string,
    tree: PlannedTree,
    { id, refuse }: ChangeOfOne,
    options: CallOptions,
  ): Promise<number> | undefined {
    const { backend, batch, catalog, reader, spills, transactions } = this.#engine;
    const changesAtOnce = typeof backend.dialect.changeGroup === "object";
    if (spills) return undefined;
    const bounds = boundsOf(options);
    try {
      this.#gate.check(what, bounds);
      const { plan, values } = reader.planTree(tree, bounds);
      const bound = plan.bindInGroup?.(values);
      if (bound === undefined) return undefined;
      transactions.refuseInside("A query that writes");
      const statement = bound.statement!;
      const bytes = bound.values.reduce<number>((sum, value) => sum + bytesOf(value), 0);
      const collection = collectionOf(tree);
      const isHidden =
        changesAtOnce && mayBeRefused(tree.statement as Change, catalog.mayHaveUniqueIndex(collection));
      const change: QueuedChange = {
        form: statement.name,
        shape: plan.shape,
        bytes,
        isHidden,
        statement,
        values: bound.values,
        alone: changesAtOnce ? () => plan.bind(values, NO_PARAMETERS) : undefined,
        refuse,
      };
      return batch.write({ kind: "update", collection, id, value: undefined, change }, bounds, versionOf);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  run(what: string, tree: PlannedTree, options: CallOptions): Answer<QueryResult> {
    const bounds = boundsOf(options);
    this.#gate.check(what, bounds);
    return this.#gate.run(what, () =>
      this.#engine.catalog.has(collectionOf(tree))
        ? this.#queries.runTree(tree, bounds)
        : this.#lookedUp(what, tree, bounds),
    );
  }

  async *stream(tree: PlannedTree, options: CallOptions): AsyncGenerator<Row> {
    const bounds = boundsOf(options);
    this.#gate.check("find()", bounds);
    this.#engine.transactions.refuseWaiting("find()");
    const time = new TimeOfParts("find()", bounds, this.clock);
    if (await this.#isThere(tree, time.next())) yield* this.#queries.streamTree(tree, time.next());
  }

  async explain(tree: PlannedTree): Promise<Explanation> {
    this.#gate.check("explain()");
    return this.#gate.run("explain()", () => this.#engine.explainer.explainTree(tree));
  }

  /** A collection that a first insert would make reads as empty before that. */
  #isThere(tree: PlannedTree, bounds: CallOptions): Promise<boolean> {
    return this.#engine.writer.mayRead(collectionOf(tree), bounds);
  }

  async #lookedUp(what: string, tree: PlannedTree, bounds: CallOptions): Promise<QueryResult> {
    const time = new TimeOfParts(what, bounds, this.clock);
    return (await this.#isThere(tree, time.next()))
      ? this.#queries.runTree(tree, time.next())
      : { rows: [], rowCount: 0 };
  }
}

const NO_PARAMETERS: readonly unknown[] = Object.freeze([]);
const versionOf = (_id: string, { version }: Ending): number => version!;

/** Whether the engine may refuse what a change makes: a value that is set, a whole document, or anything that a unique index holds. */
function mayBeRefused({ steps }: Change, hasUniqueIndex: boolean): boolean {
  return hasUniqueIndex || steps.length === 0 || steps.some(({ kind }) => kind === "set");
}

/** Numbers and the like are short. */
function bytesOf(value: unknown): number {
  return typeof value === "string" ? value.length : 8;
}

function collectionOf({ statement }: PlannedTree): string {
  return "collection" in statement ? (statement.collection ?? "") : "";
}
