import type { Dialect } from "../dialect/dialect.ts";
import type { Column } from "../dialect/expression-dialect.ts";
import { type Fragment, sql } from "../dialect/fragment.ts";
import type { Operand, OrderKey, Select, SelectItem } from "../query/syntax-tree.ts";
import { ConditionCompiler } from "./conditions.ts";
import { type Decode, decodeDocument, rowDecoder } from "./decode.ts";
import type { OperandTable } from "./operand-table.ts";

/** The engine's statement for a SELECT, and how its rows are read. */
export function compileSelect(
  select: Select,
  dialect: Dialect,
  operands: OperandTable,
): { readonly fragment: Fragment; readonly decode: Decode } {
  const { expressions } = dialect;
  const { items } = select;
  const grouped = select.groupBy.length > 0 || (items?.some(({ type }) => type === "aggregate") ?? false);
  const columns = items?.map((item) => ({ name: item.name, ...columnOf(item, grouped, dialect) }));
  const list = columns?.map(({ text }) => text).join(", ") ?? expressions.documentColumns;
  const where = compileWhere(select.where, dialect, operands);
  const groups = select.groupBy.flatMap((path) => expressions.groupBy(path));
  const groupBy = groups.length === 0 ? "" : ` GROUP BY ${groups.join(", ")}`;
  const orderBy = grouped ? groupedOrder(select, dialect) : documentOrder(select.orderBy, dialect);
  const count = (operand: Operand | undefined) =>
    operand && { operand: operands.add(operand, "count"), encode: (value: unknown): unknown => value };
  const limit = expressions.limit(count(select.limit), count(select.offset));
  const from = dialect.identifier(select.collection);
  return {
    fragment: sql`SELECT ${list} FROM ${from}${where}${groupBy}${orderBy}${limit}`,
    decode: columns === undefined ? decodeDocument : rowDecoder(columns),
  };
}

/** ` WHERE …`, or nothing. */
export function compileWhere(where: Select["where"], dialect: Dialect, operands: OperandTable): Fragment {
  if (where === undefined) return [];
  return sql` WHERE ${new ConditionCompiler(dialect.expressions, operands).compile(where, true)}`;
}

function columnOf(item: SelectItem, grouped: boolean, { expressions }: Dialect): Column {
  if (item.type === "path") {
    return grouped ? expressions.groupColumn(item.path) : expressions.column(item.path);
  }
  if (item.path === undefined) return { text: "count(*)", form: "number" };
  return expressions.aggregate(item.function, item.path);
}

/** Ties, also among arrays and among objects, go by id. */
function documentOrder(keys: readonly OrderKey[], { expressions }: Dialect): string {
  if (keys.length === 0) return "";
  const terms: string[] = [];
  for (const { path, descending } of keys) {
    terms.push(...expressions.orderBy(path, descending));
    if (path.length === 1 && path[0] === "id") return ` ORDER BY ${terms.join(", ")}`;
  }
  return ` ORDER BY ${[...terms, ...expressions.orderBy(["id"], false)].join(", ")}`;
}

/** Ties go by the paths that the rows are grouped by. */
function groupedOrder({ items = [], groupBy, orderBy }: Select, { expressions }: Dialect): string {
  // Without GROUP BY there is one row.
  if (orderBy.length === 0 || groupBy.length === 0) return "";
  const terms = orderBy.flatMap(({ path, descending, column }) => {
    const item = column === undefined ? undefined : items[column];
    if (item?.type !== "aggregate") {
      return expressions.orderByGroup(item === undefined ? path : item.path, descending);
    }
    return expressions.orderByAggregate(item.function, item.path, descending);
  });
  for (const path of groupBy) terms.push(...expressions.orderGroupsTotally(path));
  return ` ORDER BY ${terms.join(", ")}`;
}
