/** A place in a document: `a.b` is `["a", "b"]`, `tags[0]` is `["tags", 0]`. */
export type Path = readonly (string | number)[];

/** A place in a document, or with a null for `[*]` one in each element of an array: `items[*].sku` is `["items", null, "sku"]`. */
export type WidePath = readonly (string | number | null)[];

/** What an index is over that holds one value a document: what is at a path, or a text there in lower or upper case. */
export type IndexedPlace = Path | { readonly type: "lower" | "upper"; readonly path: Path };

/** What an index is over: one place, or one in each element of an array. */
export type IndexPath = WidePath | IndexedPlace;

/** A value that a document gives: what is at a path, or the text there in lower or upper case. The path `["id"]` is its key. */
export interface Field {
  readonly type: "path" | "lower" | "upper";
  readonly path: Path;
}

export type AggregateFunction = "COUNT" | "COUNT DISTINCT" | "SUM" | "AVG" | "MIN" | "MAX";

/** A value of a group of documents. `COUNT(*)` is of no field. */
export interface Aggregate {
  readonly type: "aggregate";
  readonly function: AggregateFunction;
  readonly of: Field | undefined;
}

/** What a condition, a column and an order look at. */
export type Subject = Field | Aggregate;

/** Whether it leads to one place at most. */
export function isPlace(path: WidePath): path is Path;
export function isPlace(path: IndexPath): path is IndexedPlace;
export function isPlace(path: IndexPath): path is IndexedPlace {
  return "type" in path || !(path as WidePath).includes(null);
}

/** The paths before and between the `[*]` of a path, and the one behind the last: `items[*].sku` is `items` and `sku`. */
export function splitPath(path: WidePath): { readonly arrays: readonly Path[]; readonly rest: Path } {
  const arrays: Path[] = [];
  let rest: (string | number)[] = [];
  for (const segment of path) {
    if (segment !== null) rest.push(segment);
    else {
      arrays.push(Object.freeze(rest));
      rest = [];
    }
  }
  return { arrays: Object.freeze(arrays), rest: Object.freeze(rest) };
}

/** The path that `splitPath` takes apart so. */
export function widePath(arrays: readonly Path[], rest: WidePath): WidePath {
  return [...arrays.flatMap((array) => [...array, null]), ...rest];
}

/**
 * A path as people write it, without back-quotes: `a.b`, `tags[0]`; the name of a column that is given none. `base` is the
 * text of what it leads on from.
 */
export function pathText(path: WidePath, base: string = ""): string {
  let text = base;
  for (const segment of path) {
    if (typeof segment !== "string") text += `[${segment ?? "*"}]`;
    else text += text === "" ? segment : `.${segment}`;
  }
  return text;
}

/** What an index is over, as people write it: `items[*].sku`, `LOWER(name)`. */
export function indexPathText(path: IndexPath): string {
  return "type" in path ? `${path.type.toUpperCase()}(${pathText(path.path)})` : pathText(path);
}
