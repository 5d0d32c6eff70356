import type { Dialect } from "../dialect/dialect.ts";
import type { Column, DocumentsQuery, Grouping } from "../dialect/expression-dialect.ts";
import { type Fragment, sql } from "../dialect/fragment.ts";
import type { Expression, Operand, Select, SelectItem } from "../query/syntax-tree.ts";
import { ConditionCompiler } from "./conditions.ts";
import { type Decode, decodeDocument, rowDecoder } from "./decode.ts";
import type { OperandTable } from "./operand-table.ts";

/** The engine's statement for a SELECT, and how its rows are read. */
export function compileSelect(
  select: Select,
  dialect: Dialect,
  operands: OperandTable,
): { readonly fragment: Fragment; readonly decode: Decode } {
  const where = compileWhere(select.where, dialect, operands);
  const count = (operand: Operand | undefined) =>
    operand && { operand: operands.add(operand, "count"), encode: (value: unknown): unknown => value };
  const limits = { limit: count(select.limit), offset: count(select.offset) };
  const aggregated = select.items?.some(({ type }) => type === "aggregate") ?? false;
  return select.groupBy.length > 0 || aggregated
    ? compileGroups(select, dialect, where, limits)
    : compileDocuments(select, dialect, where, limits);
}

/** ` WHERE …`, or nothing. */
export function compileWhere(where: Select["where"], dialect: Dialect, operands: OperandTable): Fragment {
  return where === undefined ? [] : sql` WHERE ${compileCondition(where, dialect, operands)}`;
}

/** Where an expression is true. */
export function compileCondition(where: Expression, dialect: Dialect, operands: OperandTable): Fragment {
  return new ConditionCompiler(dialect.expressions, operands).compile(where, true);
}

type Limits = Pick<DocumentsQuery, "limit" | "offset">;
type Compiled = ReturnType<typeof compileSelect>;

function compileDocuments(
  select: Select,
  { expressions, identifier }: Dialect,
  where: Fragment,
  limits: Limits,
): Compiled {
  const { items, collection } = select;
  const orderBy = neededOrder(select.orderBy, new Set(fixedPaths(select.where)));
  const columns = items?.map((item) => ({ name: item.name, ...expressions.column(item.path ?? ["id"]) }));
  const list = columns?.map(({ text }) => text).join(", ") ?? expressions.documentColumns;
  return {
    fragment: expressions.documents({
      list,
      table: identifier(collection),
      where,
      orderBy,
      ...limits,
    }),
    decode: columns === undefined ? decodeDocument : rowDecoder(columns),
  };
}

/** An order by what an equality fixes decides nothing: all documents that are found have the same value there. */
function neededOrder(orderBy: Select["orderBy"], fixed: ReadonlySet<string>): Select["orderBy"] {
  const needed = orderBy.filter(({ path }) => !fixed.has(JSON.stringify(path)));
  return needed.length === 0 && orderBy.length > 0
    ? [{ ...orderBy[0]!, path: ["id"], descending: false }]
    : needed;
}

/** The paths, as JSON, that a condition compares by `=` with a value, whatever else it asks. */
function fixedPaths(where: Expression | undefined): readonly string[] {
  if (where?.type === "and") return where.operands.flatMap(fixedPaths);
  if (where?.type !== "compare" || where.operator !== "=") return [];
  const { left, right } = where;
  if (left.type === "path") return right.type === "path" ? [] : [JSON.stringify(left.path)];
  return right.type === "path" ? [JSON.stringify(right.path)] : [];
}

function compileGroups(
  select: Select,
  { expressions, identifier }: Dialect,
  where: Fragment,
  { limit, offset }: Limits,
): Compiled {
  const { items = [], groupBy } = select;
  const grouping = expressions.grouping([
    ...groupBy,
    ...items.flatMap((item) => (item.path === undefined ? [] : [item.path])),
  ]);
  const columns = items.map((item) => ({ name: item.name, ...columnOf(item, grouping) }));
  const list = columns.map(({ text }) => text).join(", ");
  const groups = groupBy.flatMap((path) => grouping.groupBy(path));
  const by = groups.length === 0 ? "" : ` GROUP BY ${groups.join(", ")}`;
  const from = grouping.from(identifier(select.collection), where);
  const order = groupedOrder(select, grouping);
  return {
    fragment: sql`SELECT ${list}${from}${by}${order}${expressions.limit(limit, offset)}`,
    decode: rowDecoder(columns),
  };
}

function columnOf(item: SelectItem, grouping: Grouping): Column {
  if (item.type === "path") return grouping.column(item.path);
  if (item.path === undefined) return { text: "count(*)", form: "number" };
  return grouping.aggregate(item.function, item.path);
}

/** Ties go by the paths that the rows are grouped by. */
function groupedOrder({ items = [], groupBy, orderBy }: Select, grouping: Grouping): string {
  // Without GROUP BY there is one row.
  if (orderBy.length === 0 || groupBy.length === 0) return "";
  const terms = orderBy.flatMap(({ path, descending, column }) => {
    const item = column === undefined ? undefined : items[column];
    if (item?.type !== "aggregate") {
      return grouping.orderBy(item === undefined ? path : item.path, descending);
    }
    return grouping.orderByAggregate(item.function, item.path, descending);
  });
  for (const path of groupBy) terms.push(...grouping.orderTotally(path));
  return ` ORDER BY ${terms.join(", ")}`;
}
