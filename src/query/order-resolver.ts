import { pathKey, pathText } from "./path-text.ts";
import type { OrderKey, Path, SelectItem } from "./syntax-tree.ts";
import type { TokenReader } from "./token-reader.ts";

/** An item with what only the checks need to know. */
export interface ReadItem {
  readonly item: SelectItem;
  /** Whether `AS` gave it its name. */
  readonly named: boolean;
  readonly at: number;
}

/** One entry of an ORDER BY as it was read. */
export interface SortPath {
  readonly path: Path;
  readonly aggregate: (SelectItem & { type: "aggregate" }) | undefined;
  readonly descending: boolean;
  readonly at: number;
}

/**
 * Finds out what the entries of an ORDER BY stand for: a column that `AS` has named comes first, as in SQL, then
 * a path of the documents; of groups only what each of them has one of.
 */
export class OrderResolver {
  readonly #reader: TokenReader;
  readonly #items: readonly SelectItem[];
  readonly #grouped: boolean;
  readonly #groups: ReadonlySet<string>;
  /** Columns by the name that they were given. */
  readonly #named = new Map<string, number>();
  /** Columns by what they hold. */
  readonly #held = new Map<string, number>();

  constructor(reader: TokenReader, items: readonly ReadItem[], groups: readonly Path[], grouped: boolean) {
    this.#reader = reader;
    this.#items = items.map(({ item }) => item);
    this.#grouped = grouped;
    this.#groups = new Set(groups.map(pathKey));
    items.forEach(({ item, named }, column) => {
      if (named) this.#named.set(item.name, column);
      const key = contentKey(item);
      if (!this.#held.has(key)) this.#held.set(key, column);
    });
  }

  resolve({ path, aggregate, descending, at }: SortPath): OrderKey {
    const named =
      aggregate === undefined && path.length === 1 ? this.#named.get(path[0] as string) : undefined;
    const column = named ?? this.#held.get(aggregate === undefined ? pathKey(path) : contentKey(aggregate));
    const item = column === undefined ? undefined : this.#items[column];
    if (!this.#grouped) {
      if (aggregate !== undefined) throw this.#refuse(at, aggregate.name);
      return Object.freeze({ path: item?.type === "path" ? item.path : path, descending });
    }
    if (item !== undefined && column !== undefined) {
      const of = item.type === "path" ? item.path : Object.freeze([item.name]);
      return Object.freeze({ path: of, descending, column });
    }
    if (aggregate === undefined && this.#groups.has(pathKey(path)))
      return Object.freeze({ path, descending });
    throw this.#refuse(at, pathText(path));
  }

  #refuse(at: number, name: string): Error {
    const found = JSON.stringify(name);
    const reason = this.#grouped
      ? "a grouped SELECT can be ordered by its columns and the paths of its GROUP BY"
      : "only a grouped SELECT can be ordered by an aggregate";
    return this.#reader.refuse(at, found, `${reason}, found ${found}`, this.#grouped ? "a column" : "a path");
  }
}

function contentKey(item: SelectItem): string {
  if (item.type === "path") return pathKey(item.path);
  return `${item.function}(${item.path === undefined ? "*" : pathKey(item.path)})`;
}
