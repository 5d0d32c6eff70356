import { ExpressionParser } from "./expression-parser.ts";
import { MAX_NAME_LENGTH, MAX_SELECT_ITEMS, MAX_SORT_PATHS } from "./limits.ts";
import { OrderResolver, type ReadItem, type SortPath } from "./order-resolver.ts";
import { pathKey, pathText } from "./path-text.ts";
import type { AggregateFunction, Expression, Operand, Path, Select, SelectItem } from "./syntax-tree.ts";
import { TOKEN } from "./token.ts";
import type { TokenReader } from "./token-reader.ts";

/** Reads a SELECT behind its keyword. */
export function parseSelect(reader: TokenReader): Select {
  const { at } = reader;
  const distinct = reader.keyword("DISTINCT");
  const read = parseItems(reader);
  reader.expectKeyword("FROM");
  const collection = reader.collection();
  const where = parseWhere(reader);
  const groups = distinct ? distinctPaths(reader, at, read) : parseGroupBy(reader);
  const grouped = checkGroups(reader, read, groups);
  const sorts = parseOrderBy(reader);
  const resolver = new OrderResolver(reader, read ?? [], groups, grouped);
  const orderBy = Object.freeze(sorts.map((sort) => resolver.resolve(sort)));
  return Object.freeze({
    type: "select",
    items: read && Object.freeze(read.map(({ item }) => item)),
    collection,
    where,
    groupBy: Object.freeze(groups),
    orderBy,
    limit: parseCount(reader, "LIMIT"),
    offset: parseCount(reader, "OFFSET"),
  });
}

/** Reads a `WHERE` if there is one. */
export function parseWhere(reader: TokenReader): Expression | undefined {
  return reader.keyword("WHERE") ? new ExpressionParser(reader).expression() : undefined;
}

function parseItems(reader: TokenReader): readonly ReadItem[] | undefined {
  if (reader.symbol("*")) return undefined;
  const names = new Set<string>();
  return reader.list("the number of columns", "MAX_SELECT_ITEMS", MAX_SELECT_ITEMS, () => {
    const read = parseItem(reader);
    const { name } = read.item;
    if (names.has(name)) {
      const found = JSON.stringify(name);
      throw reader.refuse(
        read.at,
        found,
        `two columns must not have one name, found ${found} twice; give one another name with AS`,
        "another name",
      );
    }
    names.add(name);
    return read;
  });
}

function parseItem(reader: TokenReader): ReadItem {
  const { at } = reader;
  const aggregate = parseAggregate(reader);
  const path = aggregate === undefined ? reader.path() : aggregate.path;
  const named = reader.keyword("AS");
  const name = named ? reader.name("a column's name") : (aggregate?.name ?? pathText(path!));
  if (name.length > MAX_NAME_LENGTH) {
    reader.exceeds(at, "the length of a column's name", "MAX_NAME_LENGTH", MAX_NAME_LENGTH);
  }
  const item: SelectItem =
    aggregate === undefined ? { type: "path", path: path!, name } : { ...aggregate, name };
  return { item: Object.freeze(item), named, at };
}

/** Reads an aggregate if there is one; its name is its text, such as `COUNT(*)`. */
function parseAggregate(reader: TokenReader): (SelectItem & { type: "aggregate" }) | undefined {
  if (reader.tokens.kind !== TOKEN.aggregate) return undefined;
  const name = reader.tokens.text as AggregateFunction;
  reader.advance();
  reader.expectSymbol("(");
  if (name === "COUNT" && reader.keyword("DISTINCT")) {
    const path = reader.path();
    reader.expectSymbol(")");
    return { type: "aggregate", function: "COUNT DISTINCT", path, name: `COUNT(DISTINCT ${pathText(path)})` };
  }
  const path = name === "COUNT" && reader.symbol("*") ? undefined : reader.path();
  reader.expectSymbol(")");
  return {
    type: "aggregate",
    function: name,
    path,
    name: `${name}(${path === undefined ? "*" : pathText(path)})`,
  };
}

/** `SELECT DISTINCT` means a GROUP BY of all its columns. */
function distinctPaths(
  reader: TokenReader,
  at: number,
  items: readonly ReadItem[] | undefined,
): readonly Path[] {
  const paths = new Map<string, Path>();
  for (const { item } of items ?? []) if (item.type === "path") paths.set(pathKey(item.path), item.path);
  const onlyPaths = items?.every(({ item }) => item.type === "path") ?? false;
  if (onlyPaths && !reader.keyword("GROUP", "GROUP BY")) return [...paths.values()];
  throw reader.refuse(
    at,
    "DISTINCT",
    "SELECT DISTINCT must name paths, and have neither aggregates nor a GROUP BY, which makes rows distinct already",
    "paths of the documents",
  );
}

function parseGroupBy(reader: TokenReader): readonly Path[] {
  if (!reader.keyword("GROUP", "GROUP BY")) return [];
  reader.expectKeyword("BY");
  return reader.list("the number of paths", "MAX_SORT_PATHS", MAX_SORT_PATHS, () => reader.path());
}

/** Whether the rows are groups; refuses a SELECT that asks a group for what differs within it. */
function checkGroups(
  reader: TokenReader,
  items: readonly ReadItem[] | undefined,
  groups: readonly Path[],
): boolean {
  if (items === undefined) {
    if (groups.length === 0) return false;
    throw reader.refuse(
      reader.at,
      "SELECT *",
      "a SELECT with GROUP BY must name its columns, found SELECT *",
      "paths of GROUP BY and aggregates",
    );
  }
  if (groups.length === 0 && !items.some(({ item }) => item.type === "aggregate")) return false;
  const keys = new Set(groups.map(pathKey));
  for (const { item, at } of items) {
    if (item.type === "aggregate" || keys.has(pathKey(item.path))) continue;
    const found = JSON.stringify(pathText(item.path));
    throw reader.refuse(
      at,
      found,
      `a column of a grouped SELECT must be an aggregate or one of the paths of GROUP BY, found ${found}`,
      "a path of GROUP BY or an aggregate",
    );
  }
  return true;
}

function parseOrderBy(reader: TokenReader): readonly SortPath[] {
  if (!reader.keyword("ORDER", "ORDER BY")) return [];
  reader.expectKeyword("BY");
  return reader.list("the number of paths", "MAX_SORT_PATHS", MAX_SORT_PATHS, () => {
    const { at } = reader;
    const aggregate = parseAggregate(reader);
    const path = aggregate === undefined ? reader.path() : Object.freeze([aggregate.name]);
    const descending = reader.keyword("DESC");
    if (!descending) reader.keyword("ASC");
    return { path, aggregate, descending, at };
  });
}

function parseCount(reader: TokenReader, keyword: string): Operand | undefined {
  return reader.keyword(keyword) ? reader.expectOperand() : undefined;
}
