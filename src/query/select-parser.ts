import { ExpressionParser } from "./expression-parser.ts";
import { MAX_HAVING_CONDITIONS, MAX_NAME_LENGTH, MAX_SELECT_ITEMS, MAX_SORT_PATHS } from "./limits.ts";
import { subjectKey, subjectText, withoutName } from "./path-text.ts";
import {
  type ElementField,
  isAggregate,
  parseField,
  parseSubject,
  parseWideField,
} from "./subject-parser.ts";
import { type ReadItem, type SortKey, SubjectResolver } from "./subject-resolver.ts";
import type { Expression, Field, Operand, Select, Subject } from "./syntax-tree.ts";
import type { TokenReader } from "./token-reader.ts";

/** Reads a SELECT behind its keyword. */
export function parseSelect(reader: TokenReader): Select {
  const { at } = reader;
  const distinct = reader.keyword("DISTINCT");
  const read = parseItems(reader);
  reader.expectKeyword("FROM");
  const collection = reader.collection();
  const where = parseWhere(reader);
  const groups = distinct ? distinctFields(reader, at, read) : parseGroupBy(reader);
  const hasHaving = reader.keyword("HAVING");
  const grouped = checkGroups(reader, read, groups, hasHaving);
  const resolver = new SubjectResolver(reader, read ?? [], groups, grouped);
  const having = hasHaving ? parseHaving(reader, resolver) : undefined;
  const sorts = parseOrderBy(reader);
  const orderBy = Object.freeze(sorts.map((sort) => resolver.inOrder(sort)));
  return Object.freeze({
    type: "select",
    items: read && Object.freeze(read.map(({ item }) => item)),
    collection,
    where,
    groupBy: Object.freeze(groups),
    having,
    orderBy,
    limit: parseCount(reader, "LIMIT"),
    offset: parseCount(reader, "OFFSET"),
  });
}

/** Reads a `WHERE` if there is one. */
export function parseWhere(reader: TokenReader): Expression | undefined {
  return reader.keyword("WHERE")
    ? new ExpressionParser(reader, () => parseWhereSubject(reader)).expression()
    : undefined;
}

function parseHaving(reader: TokenReader, resolver: SubjectResolver): Expression {
  const subject = (): Subject => {
    const { at } = reader;
    return resolver.inHaving(parseSubject(reader), at);
  };
  return new ExpressionParser(reader, subject, { MAX_HAVING_CONDITIONS }).expression();
}

function parseWhereSubject(reader: TokenReader): Field | ElementField {
  if (!isAggregate(reader)) return parseWideField(reader);
  const { at } = reader;
  const { found } = reader.tokens;
  throw reader.refuse(at, found, `an aggregate can't stand in WHERE, found ${found}`, "a path");
}

function parseItems(reader: TokenReader): readonly ReadItem[] | undefined {
  if (reader.symbol("*")) return undefined;
  const names = new Set<string>();
  return reader.list("the number of columns", { MAX_SELECT_ITEMS }, () => {
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
  const subject = parseSubject(reader);
  const named = reader.keyword("AS");
  const name = named ? reader.name("a column's name") : subjectText(subject);
  if (name.length > MAX_NAME_LENGTH) {
    reader.exceeds(at, "the length of a column's name", { MAX_NAME_LENGTH });
  }
  return { item: Object.freeze({ ...subject, name }), named, at };
}

/** `SELECT DISTINCT` means a GROUP BY of all its columns. */
function distinctFields(
  reader: TokenReader,
  at: number,
  items: readonly ReadItem[] | undefined,
): readonly Field[] {
  const fields = new Map<string, Field>();
  for (const { item } of items ?? []) {
    const field = withoutName(item);
    if (field.type !== "aggregate") fields.set(subjectKey(field), field);
  }
  const onlyFields = items?.every(({ item }) => item.type !== "aggregate") ?? false;
  if (onlyFields && !reader.keyword("GROUP", "GROUP BY") && !reader.keyword("HAVING")) {
    return [...fields.values()];
  }
  throw reader.refuse(
    at,
    "DISTINCT",
    "SELECT DISTINCT must name paths, and have neither aggregates nor GROUP BY and HAVING, which make rows distinct already",
    "paths of the documents",
  );
}

function parseGroupBy(reader: TokenReader): readonly Field[] {
  if (!reader.keyword("GROUP", "GROUP BY")) return [];
  reader.expectKeyword("BY");
  return reader.list("the number of paths", { MAX_SORT_PATHS }, () => parseField(reader));
}

/** Whether the rows are groups; refuses a SELECT that asks a group for what differs within it. */
function checkGroups(
  reader: TokenReader,
  items: readonly ReadItem[] | undefined,
  groups: readonly Field[],
  hasHaving: boolean,
): boolean {
  if (items === undefined) {
    if (groups.length === 0 && !hasHaving) return false;
    throw reader.refuse(
      reader.at,
      "SELECT *",
      "a SELECT with GROUP BY or HAVING must name its columns, found SELECT *",
      "paths of GROUP BY and aggregates",
    );
  }
  if (groups.length === 0 && !hasHaving && !items.some(({ item }) => item.type === "aggregate")) return false;
  const keys = new Set(groups.map(subjectKey));
  for (const { item, at } of items) {
    if (item.type === "aggregate" || keys.has(subjectKey(item))) continue;
    const found = JSON.stringify(subjectText(item));
    throw reader.refuse(
      at,
      found,
      `a column of a grouped SELECT must be an aggregate or one of the paths of GROUP BY, found ${found}`,
      "a path of GROUP BY or an aggregate",
    );
  }
  return true;
}

function parseOrderBy(reader: TokenReader): readonly SortKey[] {
  if (!reader.keyword("ORDER", "ORDER BY")) return [];
  reader.expectKeyword("BY");
  return reader.list("the number of paths", { MAX_SORT_PATHS }, () => {
    const { at } = reader;
    const subject = parseSubject(reader);
    const descending = reader.keyword("DESC");
    if (!descending) reader.keyword("ASC");
    return { subject, descending, at };
  });
}

function parseCount(reader: TokenReader, keyword: string): Operand | undefined {
  return reader.keyword(keyword) ? reader.expectOperand() : undefined;
}
