import type { Dialect } from "../dialect/dialect.ts";
import { type DocumentsQuery, fieldOf, type Grouping } from "../dialect/expression-dialect.ts";
import { combine, type Fragment, sql } from "../dialect/fragment.ts";
import { isOperand, subjectKey } from "../query/path-text.ts";
import type { Expression, Field, Operand, Select, Subject } from "../query/syntax-tree.ts";
import { ConditionCompiler } from "./conditions.ts";
import { type Decode, decodeDocument, rowDecoder } from "./decode.ts";
import type { OperandTable } from "./operand-table.ts";

/** The engine's statement for a SELECT, and how its rows are read. */
export function compileSelect(
  select: Select,
  dialect: Dialect,
  operands: OperandTable,
): { readonly fragment: Fragment; readonly decode: Decode } {
  const where = compilePlace(select, dialect, operands);
  const count = (operand: Operand | undefined) =>
    operand && { operand: operands.add(operand, "count"), encode: (value: unknown): unknown => value };
  const limits = { limit: count(select.limit), offset: count(select.offset) };
  return isGrouped(select)
    ? compileGroups(select, dialect, operands, { where, ...limits })
    : compileDocuments(select, dialect, operands, { where, ...limits });
}

function isGrouped({ items, groupBy, having }: Select): boolean {
  if (groupBy.length > 0 || having !== undefined) return true;
  return items?.some(({ type }) => type === "aggregate") ?? false;
}

/** ` WHERE …`, or nothing. */
export function compileWhere(where: Select["where"], dialect: Dialect, operands: OperandTable): Fragment {
  return where === undefined ? [] : sql` WHERE ${compileCondition(where, dialect, operands)}`;
}

/**
 * The same with what comes after a place. An index is to give the order from there on, so that condition is spelled as where
 * there is none: else its parts could lead to documents in no order, all of which would have to be sorted.
 */
function compilePlace({ where, from }: Select, dialect: Dialect, operands: OperandTable): Fragment {
  if (from === undefined) return compileWhere(where, dialect, operands);
  const plain = dialect.knowing?.(() => undefined) ?? dialect;
  const later = compileCondition(from.later, plain, operands);
  if (where === undefined) return sql` WHERE ${combine("AND", [later])}`;
  return sql` WHERE ${combine("AND", [compileCondition(where, dialect, operands), later])}`;
}

/** Where an expression is true. */
export function compileCondition(where: Expression, dialect: Dialect, operands: OperandTable): Fragment {
  return new ConditionCompiler(dialect.expressions.conditions, operands).compile(where, true);
}

type Comparison = Extract<Expression, { type: "compare" }>;
type Limits = Pick<DocumentsQuery, "limit" | "offset">;
type Compiled = ReturnType<typeof compileSelect>;

function compileDocuments(
  select: Select,
  { expressions, identifier }: Dialect,
  operands: OperandTable,
  parts: Limits & { readonly where: Fragment },
): Compiled {
  const { items, collection } = select;
  const orderBy = neededOrder(select.orderBy, new Set(fixedKeys(select.where)));
  const columns = items?.map((item) => ({ name: item.name, ...expressions.column(fieldOf(item)) }));
  const list = columns?.map(({ text }) => text).join(", ") ?? expressions.documentColumns;
  return {
    fragment: expressions.documents({
      list,
      table: identifier(collection),
      orderBy: orderBy.map(fieldOf),
      // What an equality fixes is no longer first.
      from:
        select.from && orderBy[0] === select.orderBy[0]
          ? operands.add(select.from.value, "value")
          : undefined,
      inOrder: isInOrder(select.where, orderBy[0]),
      locks: false,
      ...parts,
    }),
    decode: columns === undefined ? decodeDocument : rowDecoder(columns),
  };
}

const BY_ID: Field = Object.freeze({ type: "path", path: Object.freeze(["id"]) });

/** An order by what an equality fixes decides nothing: all documents that are found have the same value there. */
function neededOrder(orderBy: Select["orderBy"], fixed: ReadonlySet<string>): Select["orderBy"] {
  const needed = orderBy.filter((key) => !fixed.has(subjectKey(key)));
  return needed.length === 0 && orderBy.length > 0 ? [{ ...BY_ID, descending: false }] : needed;
}

/** What a condition compares by `=` with a value, whatever else it asks. */
function fixedKeys(where: Expression | undefined): readonly string[] {
  if (where?.type === "and") return where.operands.flatMap(fixedKeys);
  if (where?.type !== "compare" || where.operator !== "=") return [];
  return comparedKeys(where);
}

/** Whether a condition, if there is one, asks only for what comes before or after values in the order by this field. */
function isInOrder(where: Expression | undefined, by: Subject | undefined): boolean {
  if (where === undefined) return true;
  if (where.type === "and") return where.operands.every((operand) => isInOrder(operand, by));
  if (where.type !== "compare" || where.operator === "=" || where.operator === "!=") return false;
  return by !== undefined && comparedKeys(where)[0] === subjectKey(by);
}

/** What is compared with a value, if a value it is compared with. */
function comparedKeys({ left, right }: Comparison): readonly string[] {
  if (isOperand(left)) return isOperand(right) ? [] : [subjectKey(right)];
  return isOperand(right) ? [subjectKey(left)] : [];
}

function compileGroups(
  select: Select,
  { expressions, identifier }: Dialect,
  operands: OperandTable,
  { where, limit, offset }: Limits & { readonly where: Fragment },
): Compiled {
  const { items = [], groupBy, having } = select;
  const grouping = expressions.grouping(groupBy);
  const columns = items.map((item) => ({ name: item.name, ...grouping.column(item) }));
  const list = columns.map(({ text }) => text).join(", ");
  const groups = groupBy.flatMap((field) => grouping.groupBy(field));
  const by = groups.length === 0 ? "" : ` GROUP BY ${groups.join(", ")}`;
  const kept = having && new ConditionCompiler(grouping.conditions, operands).compile(having, true);
  const which = kept === undefined ? [] : sql` HAVING ${kept}`;
  const order = groupedOrder(select, grouping);
  const from = grouping.from(identifier(select.collection), where);
  return {
    fragment: sql`SELECT ${list}${from}${by}${which}${order}${expressions.limit(limit, offset)}`,
    decode: rowDecoder(columns),
  };
}

/** Ties go by what the rows are grouped by. */
function groupedOrder({ groupBy, orderBy }: Select, grouping: Grouping): string {
  // Without GROUP BY there is one row.
  if (orderBy.length === 0 || groupBy.length === 0) return "";
  const terms = orderBy.flatMap((key) => grouping.orderBy(key, key.descending));
  for (const field of groupBy) terms.push(...grouping.orderTotally(field));
  return ` ORDER BY ${terms.join(", ")}`;
}
