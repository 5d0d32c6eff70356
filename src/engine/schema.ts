import type { Row } from "../base/document.ts";
import { FormDBError } from "../base/errors.ts";
import { boolean, checkOptions, configError, show, string } from "../base/options.ts";
import { indexPathText, isPlace } from "../base/subject.ts";
import type { Plan } from "../plan/plan.ts";
import { MAX_INDEX_NAME_LENGTH, MAX_INDEX_PATHS } from "../query/limits.ts";
import { parseIndexPath } from "../query/path-text.ts";
import type { IndexPath, Statement } from "../query/syntax-tree.ts";
import type { Catalog } from "./catalog.ts";
import type { QueryResult } from "./read.ts";

/** How an index is made. */
export interface IndexOptions {
  /** Whether two documents may not have the same values. Default false. */
  readonly unique?: boolean | undefined;
  /** Default: made from the paths. */
  readonly name?: string | undefined;
}

/** Refuses unknown options of an index, and values that they do not take. */
export function checkIndexOptions(options: IndexOptions): void {
  checkOptions("createIndex()", options, { unique: boolean, name: string });
}

const INDEX_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Makes indexes from what a user writes, and acts on queries that change or list the schema. */
export class Schema {
  readonly #catalog: Catalog;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /**
   * Makes an index over paths such as `"address.city"` and `"LOWER(email)"`, or over one such as `"items[*].sku"`, of each
   * element of an array. Resolves to its name.
   */
  async createIndex(
    collection: string,
    paths: string | readonly string[],
    options: IndexOptions = {},
  ): Promise<string> {
    checkIndexOptions(options);
    const texts = typeof paths === "string" ? [paths] : paths;
    if (!Array.isArray(texts) || texts.some((text) => typeof text !== "string")) {
      throw configError(
        `An index needs a path or an array of paths such as "address.city", not ${show(paths)}`,
      );
    }
    return this.#createIndex(collection, texts.map(parseIndexPath), options.unique ?? false, options.name);
  }

  /** Acts on a query that changes or lists the schema. */
  async run(plan: Plan): Promise<QueryResult> {
    const tree: Statement = plan.tree;
    switch (tree.type) {
      case "createCollection":
        return changed(await this.#catalog.create(tree.collection));
      case "dropCollection":
        if (await this.#catalog.drop(tree.collection)) return changed(true);
        throw new FormDBError(
          "FORMDB_UNKNOWN_COLLECTION",
          `The collection ${JSON.stringify(tree.collection)} can't be dropped: it is not there`,
          { details: { collection: tree.collection } },
        );
      case "createIndex":
        await this.#createIndex(tree.collection, tree.paths, tree.unique, tree.name);
        return changed(true);
      case "dropIndex":
        await this.#catalog.dropIndex(tree.collection, tree.name);
        return changed(true);
      case "introspect":
        return tree.collection === undefined ? this.#collectionRows() : this.#indexRows(tree.collection);
      default:
        throw new FormDBError("FORMDB_UNSUPPORTED", `The schema has no part in ${plan.shape}`);
    }
  }

  async #createIndex(
    collection: string,
    paths: readonly IndexPath[],
    unique: boolean,
    givenName: string | undefined,
  ): Promise<string> {
    if (paths.length === 0 || paths.length > MAX_INDEX_PATHS) {
      throw configError(`An index must have from 1 to ${MAX_INDEX_PATHS} paths, not ${paths.length}`);
    }
    if (!paths.every(isPlace) && (paths.length > 1 || unique)) {
      throw configError(
        `An index over the elements of arrays must have one path and can't be unique, unlike ${unique ? "a unique one" : "one"} over ` +
          paths.map(indexPathText).join(", "),
      );
    }
    const name = givenName ?? defaultName(paths);
    if (!INDEX_NAME.test(name) || name.length > MAX_INDEX_NAME_LENGTH) {
      throw configError(
        `An index's name must consist of at most ${MAX_INDEX_NAME_LENGTH} letters, digits and underscores and not start with a digit, unlike ${show(name)}`,
      );
    }
    await this.#catalog.createIndex({ collection, name, paths, unique });
    return name;
  }

  async #collectionRows(): Promise<QueryResult> {
    const names = await this.#catalog.refresh();
    return listed(names.map((collection) => ({ collection })));
  }

  async #indexRows(collection: string): Promise<QueryResult> {
    await this.#catalog.need(collection);
    const indexes = await this.#catalog.indexes(collection);
    return listed(
      indexes.map(({ name, paths, unique }) => ({
        name,
        paths: paths.map(indexPathText),
        unique,
      })),
    );
  }
}

function changed(happened: boolean): QueryResult {
  return { rows: [], rowCount: happened ? 1 : 0 };
}

function listed(rows: Row[]): QueryResult {
  return { rows, rowCount: rows.length };
}

/** `by_address_city`, `by_items_each_sku`, `by_lower_email`; what a name can't hold becomes an underscore, and a long one is cut. */
function defaultName(paths: readonly IndexPath[]): string {
  const parts = paths.map((path) =>
    ("type" in path ? [path.type, ...path.path] : path)
      .map((part) => part ?? "each")
      .join("_")
      .replaceAll(/[^A-Za-z0-9_]/g, "_"),
  );
  return `by_${parts.join("_and_")}`.slice(0, MAX_INDEX_NAME_LENGTH);
}
