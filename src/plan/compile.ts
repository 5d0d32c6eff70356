import type { JsonValue, Row } from "../base/document.ts";
import type { EngineStatement } from "../base/engine-statement.ts";
import type { Dialect } from "../dialect/dialect.ts";
import { type Fragment, sql } from "../dialect/fragment.ts";
import { encodeKey } from "../dialect/value-rank.ts";
import { MAX_INSERT_DOCUMENTS } from "../query/limits.ts";
import type { Operand, Select, Statement } from "../query/syntax-tree.ts";
import { changesOf } from "./assignments.ts";
import { canBeGrouped, compileChange } from "./change.ts";
import { markCompiled } from "./compiled.ts";
import { decodeDocument } from "./decode.ts";
import { OperandTable } from "./operand-table.ts";
import { checkParameters, mismatch } from "./parameters.ts";
import type { BoundStatement, Parameters, Plan } from "./plan.ts";
import { costOf, pointOperand } from "./point.ts";
import { compileSelect, compileWhere } from "./select.ts";
import { type Executable, Variants } from "./variants.ts";

const NO_PARAMETERS: Parameters = Object.freeze([]);
/** What a plan costs beside its texts: its objects and closures. */
const BASE_BYTES = 1_024;
const BYTES_PER_VALUE = 256;

/**
 * Compiles a statement's tree for an engine. The plan holds no values: those of the shape's literals and the
 * caller's parameters come when it is bound. Throws `FORMDB_UNSUPPORTED` or `FORMDB_SYNTAX` for what is well-formed
 * but means nothing.
 */
export function compile(statement: Statement, shape: string, dialect: Dialect): Plan {
  return markCompiled(planOf(statement, shape, dialect));
}

function planOf(statement: Statement, shape: string, dialect: Dialect): Plan {
  const operands = new OperandTable();
  switch (statement.type) {
    case "select": {
      const { fragment, decode } = compileSelect(statement, dialect, operands);
      const cost = costOf(statement.where);
      return plan(statement, shape, operands, { fragment, decode, cost, returnsRows: true }, dialect);
    }
    case "update": {
      const { expressions } = dialect;
      const change = expressions.change(changesOf(statement.assignments, operands));
      const where = compileWhere(statement.where, dialect, operands);
      const table = dialect.identifier(statement.collection);
      const fragment = sql`UPDATE ${table} SET doc = ${change}, version = version + 1, updated_at = ${expressions.now}${where}`;
      return plan(statement, shape, operands, writing(fragment, costOf(statement.where)), dialect);
    }
    case "delete": {
      const where = compileWhere(statement.where, dialect, operands);
      const fragment = sql`DELETE FROM ${dialect.identifier(statement.collection)}${where}`;
      return plan(statement, shape, operands, writing(fragment, costOf(statement.where)), dialect);
    }
    case "change":
      return plan(statement, shape, operands, compileChange(statement, dialect, operands), dialect);
    case "explain": {
      const inner = planOf(statement.statement, shape, dialect);
      return Object.freeze({
        ...inner,
        kind: "explain",
        cost: undefined,
        tree: statement,
        pointId: undefined,
        explained: inner,
      } satisfies Plan);
    }
    case "insert":
      addDocuments(statement.documents, operands);
      return plan(statement, shape, operands, undefined, dialect);
    default:
      return plan(statement, shape, operands, undefined, dialect);
  }
}

/** One operand: all documents of an INSERT, as an array. */
function addDocuments(documents: readonly Operand[], operands: OperandTable): void {
  const resolvers = documents.map((document) => operands.resolver(document, "document"));
  operands.derive((values, parameters) => {
    const given = resolvers.flatMap((resolve) => resolve(values, parameters));
    if (given.length <= MAX_INSERT_DOCUMENTS) return given;
    throw mismatch(
      `An INSERT must have at most ${MAX_INSERT_DOCUMENTS} documents, not ${given.length}: it is one transaction; ` +
        "batchInsert() and import() take any number",
    );
  });
}

function writing(fragment: Fragment, cost: EngineStatement["cost"]): Executable {
  return { fragment, decode: decodeDocument, cost, returnsRows: false };
}

function plan(
  tree: Statement,
  shape: string,
  operands: OperandTable,
  executable: Executable | undefined,
  dialect: Dialect,
): Plan {
  const { resolvers, signature } = operands;
  const variants = executable && new Variants(executable.fragment, dialect, executable);
  const { text, places } = variants?.size ?? { text: 0, places: resolvers.length };
  const count = resolvers.length;
  const grouped = executable && variants && groupOf(tree, executable, variants, dialect);
  const resolve = (values: readonly unknown[], parameters: Parameters): JsonValue[] => {
    const resolved = new Array<JsonValue>(count);
    for (let i = 0; i < count; i++) resolved[i] = resolvers[i]!(values, parameters);
    return resolved;
  };
  const bind = (values: readonly unknown[], parameters: Parameters): BoundStatement => {
    checkParameters(signature, parameters);
    const resolved = resolve(values, parameters);
    // Where the engine layer acts itself it is given the operands as they are: the documents of an INSERT.
    return variants === undefined ? { statement: undefined, values: resolved } : variants.bind(resolved);
  };
  return Object.freeze({
    kind: tree.type,
    dialect: dialect.name,
    shape,
    collections: Object.freeze(collectionsOf(tree)),
    cost: executable?.cost,
    tree,
    pointId: tree.type === "select" ? pointId(tree, operands) : undefined,
    bytes: BASE_BYTES + 2 * text + 4 * shape.length + BYTES_PER_VALUE * (places + count),
    explained: undefined,
    bind,
    bindInGroup: grouped && ((values) => grouped.bind(resolve(values, NO_PARAMETERS))),
    decode: (columns: readonly unknown[]): Row => (executable?.decode ?? decodeDocument)(columns),
  } satisfies Plan);
}

/** The statements of a change in a group. */
function groupOf(
  tree: Statement,
  executable: Executable,
  byItself: Variants,
  dialect: Dialect,
): Variants | undefined {
  const { changeGroup } = dialect;
  if (changeGroup === undefined || tree.type !== "change" || !canBeGrouped(tree)) return undefined;
  if (changeGroup === "one by one") return byItself;
  const inGroup = { ...dialect, placeholder: changeGroup.place, merged: undefined };
  return new Variants(executable.group!, inGroup, { ...executable, cost: "bounded" });
}

function pointId(select: Select, operands: OperandTable): Plan["pointId"] {
  const operand: Operand | undefined = pointOperand(select);
  if (operand === undefined) return undefined;
  const resolve = operands.resolver(operand, "value");
  const { signature } = operands;
  return (values, parameters) => {
    checkParameters(signature, parameters);
    return encodeKey(resolve(values, parameters)) ?? undefined;
  };
}

function collectionsOf(tree: Statement): readonly string[] {
  if (tree.type === "explain") return collectionsOf(tree.statement);
  return tree.collection === undefined ? [] : [tree.collection];
}
