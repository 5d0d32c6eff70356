import type { CallOptions } from "../../base/abort.ts";
import { FormDBError } from "../../base/errors.ts";
import {
  CALL_BOUNDS,
  checkOptions,
  configError,
  integer,
  type OptionCheck,
  show,
} from "../../base/options.ts";
import { pathText } from "../../base/subject.ts";
import { all, type FilterReader, pathOf } from "../../plan/filter.ts";
import { addFilter, END, type Form, isPlainObject } from "../../plan/filter-form.ts";
import { MAX_SELECT_ITEMS, MAX_SORT_PATHS } from "../../query/limits.ts";
import { pathKey } from "../../query/path-text.ts";
import type { Path, Select } from "../../query/syntax-tree.ts";
import { isText } from "../../query/tree-text.ts";
import { answered, promised } from "../answer.ts";
import type { Explanation } from "../explain.ts";
import type { PlannedTree } from "../plan-source.ts";
import { beginsAt, isAfter, type PathKey, placeOf, readCursor, valueAt, writeCursor } from "./cursor.ts";
import type { Asked, CollectionHost } from "./host.ts";
import type { PathOf } from "./paths.ts";
import { knownTree, newTree, treeOf } from "./tree.ts";

/** Rows of a page if no limit is given. */
export const DEFAULT_PAGE_SIZE = 100;

export type Direction = "asc" | "desc";

/** What a find gives, and how much of it. */
export interface FindOptions<T> extends CallOptions {
  /** The paths to give, each by its text; default: whole documents. */
  readonly select?: readonly PathOf<T>[] | undefined;
  /** In the order of its fields; ties go by id. Default: none. */
  readonly orderBy?: { readonly [P in PathOf<T>]?: Direction } | undefined;
  /** The most rows. Default all; of a page 100. */
  readonly limit?: number | undefined;
  /** How many rows to leave out first. Default 0; not beside `after`. */
  readonly offset?: number | undefined;
  /** The `next` of a page: what comes after it. Filter and order must be those of that page. Default the first page. */
  readonly after?: string | undefined;
}

/** The same for documents of any type. */
export interface AnyFindOptions extends CallOptions {
  readonly select?: readonly string[] | undefined;
  readonly orderBy?: object | undefined;
  readonly limit?: number | undefined;
  readonly offset?: number | undefined;
  readonly after?: string | undefined;
}

/** What other drivers call them. */
export const FIND_OTHER_NAMES: Readonly<
  Record<Exclude<keyof AnyFindOptions, keyof CallOptions>, readonly string[]>
> = {
  select: ["projection", "project", "fields", "columns"],
  orderBy: ["sort", "order"],
  limit: ["take", "top", "pagesize"],
  offset: ["skip"],
  after: ["cursor", "startafter"],
};

/** A page of rows. `next` is undefined after the last one. */
export interface Page<R> {
  readonly rows: R[];
  readonly next: string | undefined;
}

export const FIND_CHECKS: Readonly<Record<keyof AnyFindOptions, OptionCheck>> = {
  select: (value: unknown) =>
    Array.isArray(value) && value.length > 0 ? undefined : "an array of one path or more",
  orderBy: (value: unknown) =>
    isPlainObject(value) ? undefined : 'an object of paths such as { age: "desc" }',
  limit: integer(0),
  offset: integer(0),
  after: (value: unknown) => (typeof value === "string" ? undefined : "what a page has given as its next"),
  ...CALL_BOUNDS,
};

const BY_ID: PathKey = Object.freeze({ type: "path", path: Object.freeze(["id"]), descending: false });

/** A column for what is at a path. */
interface PathItem {
  readonly type: "path";
  readonly path: Path;
  readonly name: string;
}

/** Documents that a filter means. Nothing is sent before one of its methods is called, or it is iterated. */
export class Find<R extends object> implements AsyncIterable<R> {
  readonly #host: CollectionHost;
  readonly #collection: string;
  readonly #filter: unknown;
  readonly #options: AnyFindOptions;
  readonly #orderBy: readonly PathKey[];
  readonly #items: readonly PathItem[] | undefined;

  constructor(host: CollectionHost, collection: string, filter: unknown, options: AnyFindOptions) {
    if (options !== NO_OPTIONS) checkOptions("find()", options, FIND_CHECKS, FIND_OTHER_NAMES);
    if (options.after !== undefined && options.offset !== undefined) {
      throw configError(
        "find() takes after or offset, not both: a cursor says by itself where to go on",
        "offset",
      );
    }
    this.#host = host;
    this.#collection = collection;
    this.#filter = filter;
    this.#options = options;
    this.#orderBy = orderOf(options.orderBy);
    this.#items = options.select && itemsOf(options.select);
  }

  /** Throws: a find that somebody sends on as JSON was meant to be its rows. */
  toJSON(): never {
    throw new FormDBError("FORMDB_UNSUPPORTED", "A find has no JSON; await its toArray(), first() or page()");
  }

  /** All rows. */
  toArray(): Promise<R[]> {
    return this.#ask(this.#options.limit, (rows) => rows);
  }

  /** The first row; which one that is, only `orderBy` says. */
  first(): Promise<R | undefined> {
    return this.#options.limit === 0 ? Promise.resolve(undefined) : this.#ask(1, (rows) => rows[0]);
  }

  /**
   * A page of at most `limit` rows, and where the next one begins. Pages neither repeat nor leave out a row that is there
   * throughout, whatever is written between them.
   */
  async page(): Promise<Page<R>> {
    const { limit = DEFAULT_PAGE_SIZE } = this.#options;
    if (limit === 0) throw configError("A page must have at least 1 row, not 0", "limit");
    const keys = totalOrder(this.#orderBy);
    const hidden = this.#items && hiddenItems(this.#items, keys);
    const items = this.#items && [...this.#items, ...hidden!.items];
    const orderBy = this.#orderBy.length === 0 ? keys : this.#orderBy;
    // One more tells whether there is a next page.
    const tree = this.#tree({ orderBy, items, limit: Math.min(limit, Number.MAX_SAFE_INTEGER - 1) + 1 });
    if (this.#host.elsewhere !== undefined) {
      const asked = this.#asked(limit);
      return (await this.#host.elsewhere.page(this.#collection, asked, this.#options)) as Page<R>;
    }
    const { rows } = await this.#host.run("page()", tree, this.#options);
    const hasMore = rows.length > limit;
    if (hasMore) rows.pop();
    const last = rows.at(-1);
    const place =
      last && hasMore
        ? placeOf(keys, (path) => (hidden === undefined ? valueAt(last, path) : last[hidden.nameOf(path)]))
        : undefined;
    for (const { name } of hidden?.items ?? []) for (const row of rows) delete row[name];
    return { rows: rows as R[], next: place && writeCursor(this.#identity(), place) };
  }

  /** What it would do: its shape, how the plan cache answers, the engine's statement and plan. */
  explain(): Promise<Explanation> {
    return promised(() => this.#host.explain(this.#tree(this.#wanted(this.#options.limit))));
  }

  /** The rows one by one, in constant memory. */
  [Symbol.asyncIterator](): AsyncIterator<R> {
    const { limit } = this.#options;
    const tree = this.#tree(this.#wanted(limit));
    const rows = this.#rowsElsewhere(tree, limit) ?? this.#host.stream(tree, this.#options);
    return rows[Symbol.asyncIterator]() as AsyncIterator<R>;
  }

  #ask<T>(limit: number | undefined, give: (rows: R[]) => T): Promise<T> {
    return promised(() => {
      const tree = this.#tree(this.#wanted(limit));
      const elsewhere = this.#rowsElsewhere(tree, limit);
      return elsewhere === undefined
        ? answered(this.#host.run("find()", tree, this.#options), ({ rows }) => give(rows as R[]))
        : answered(collect(elsewhere), (rows) => give(rows as R[]));
    });
  }

  /** What no text says, such as what comes after a page, from a host that can't be given a tree. */
  #rowsElsewhere({ key }: PlannedTree, limit: number | undefined): AsyncIterable<object> | undefined {
    if (this.#host.elsewhere === undefined || isText(key)) return undefined;
    return this.#host.elsewhere.find(this.#collection, this.#asked(limit), this.#options);
  }

  #asked(limit: number | undefined): Asked {
    const { select, orderBy, offset, after } = this.#options;
    return { filter: this.#filter, select, orderBy, limit, offset, after };
  }

  #wanted(limit: number | undefined): Wanted {
    return { orderBy: this.#orderBy, items: this.#items, limit };
  }

  #tree(wanted: Wanted): PlannedTree {
    const form = this.#options.after === undefined ? this.#form(wanted) : undefined;
    if (form === undefined) return treeOf((reader) => this.#statement(wanted, reader));
    return knownTree(form) ?? newTree(form, (reader) => this.#statement(wanted, reader));
  }

  /** The form of all but what comes after a page; undefined if the filter has none. */
  #form({ orderBy, items, limit }: Wanted): Form | undefined {
    const { offset } = this.#options;
    const bounds = (limit === undefined ? 0 : 1) + (offset === undefined ? 0 : 2);
    const words: unknown[] = [bounds, this.#collection];
    const values: unknown[] = [];
    const form = { words, values };
    if (!addFilter(form, this.#filter)) return undefined;
    for (const { path, descending } of orderBy) words.push(path, descending);
    if (items !== undefined) {
      words.push(END);
      for (const { path, name } of items) words.push(path, name);
    }
    if (limit !== undefined) values.push(limit);
    if (offset !== undefined) values.push(offset);
    return form;
  }

  #statement({ orderBy, items, limit }: Wanted, reader: FilterReader): Select {
    const { offset, after } = this.#options;
    let where = reader.read(this.#filter);
    let order = orderBy;
    let from: Select["from"];
    if (after !== undefined) {
      const keys = totalOrder(orderBy);
      order = orderBy.length === 0 ? keys : orderBy;
      const place = readCursor(after, this.#identity(), keys);
      const later = isAfter(keys, place, reader);
      if (beginsAt(keys, place)) from = { value: reader.slot(place[0]), later };
      else where = all(where === undefined ? [later] : [where, later]);
    }
    return {
      ...ALL_OF,
      items,
      collection: this.#collection,
      where,
      orderBy: order,
      from,
      limit: limit === undefined ? undefined : reader.slot(limit),
      offset: offset === undefined ? undefined : reader.slot(offset),
    };
  }

  /** What a cursor must have been made for: the shape of the filter, and the order. */
  #identity(): string {
    const orderBy = totalOrder(this.#orderBy);
    return treeOf((reader) => ({
      ...ALL_OF,
      collection: this.#collection,
      where: reader.read(this.#filter),
      orderBy,
    })).key;
  }
}

/** What is asked for of a find, which a page has more of than its options say. */
interface Wanted {
  readonly orderBy: readonly PathKey[];
  readonly items: readonly PathItem[] | undefined;
  readonly limit: number | undefined;
}

async function collect(rows: AsyncIterable<object>): Promise<object[]> {
  const collected: object[] = [];
  for await (const row of rows) collected.push(row);
  return collected;
}

/** A statement for all documents of a collection that is not named yet. */
export const ALL_OF: Select = Object.freeze<Select>({
  type: "select",
  items: undefined,
  collection: "",
  where: undefined,
  groupBy: Object.freeze([]),
  having: undefined,
  orderBy: Object.freeze([]),
  limit: undefined,
  offset: undefined,
});
export const NO_OPTIONS: AnyFindOptions = Object.freeze({});

const NO_ORDER: readonly PathKey[] = Object.freeze([]);

/** The keys of an order that is given as an object. */
export function orderOf(orderBy: object | undefined): readonly PathKey[] {
  if (orderBy === undefined) return NO_ORDER;
  const entries = Object.entries(orderBy);
  if (entries.length > MAX_SORT_PATHS) {
    throw configError(`orderBy must have at most ${MAX_SORT_PATHS} paths, not ${entries.length}`, "orderBy");
  }
  return entries.map(([text, direction]) => {
    if (direction !== "asc" && direction !== "desc") {
      throw configError(`orderBy must say "asc" or "desc" for ${text}, not ${show(direction)}`, "orderBy");
    }
    return { type: "path", path: pathOf(text), descending: direction === "desc" };
  });
}

/** An order that leaves no ties: up to the id. */
function totalOrder(keys: readonly PathKey[]): readonly PathKey[] {
  const id = keys.findIndex(({ path }) => path.length === 1 && path[0] === "id");
  return id === -1 ? [...keys, BY_ID] : keys.slice(0, id + 1);
}

function itemsOf(select: readonly unknown[]): readonly PathItem[] {
  if (select.length > MAX_SELECT_ITEMS / 2) {
    throw configError(
      `select must have at most ${MAX_SELECT_ITEMS / 2} paths, not ${select.length}`,
      "select",
    );
  }
  const names = new Set<string>();
  return select.map((text) => {
    if (typeof text !== "string") throw configError(`select must have paths, not ${show(text)}`, "select");
    const path = pathOf(text);
    const name = pathText(path);
    if (names.has(name)) throw configError(`select has ${name} twice`, "select");
    names.add(name);
    return { type: "path", path, name };
  });
}

/** Columns for those keys of an order that are not selected, named as no path can be. */
function hiddenItems(
  items: readonly PathItem[],
  keys: readonly PathKey[],
): { readonly items: readonly PathItem[]; readonly nameOf: (path: Path) => string } {
  const names = new Map(items.map(({ path, name }) => [pathKey(path), name]));
  const hidden: PathItem[] = [];
  for (const { path } of keys) {
    const key = pathKey(path);
    if (names.has(key)) continue;
    const name = `[${hidden.length}]`;
    names.set(key, name);
    hidden.push({ type: "path", path, name });
  }
  return { items: hidden, nameOf: (path) => names.get(pathKey(path))! };
}
