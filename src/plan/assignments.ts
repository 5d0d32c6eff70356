import { FormDBError } from "../base/errors.ts";
import { pathText } from "../base/subject.ts";
import { calculate, infinite } from "../dialect/arithmetic.ts";
import type { ComputedValue, ContainerChange, DocumentChange } from "../dialect/expression-dialect.ts";
import type { ArithmeticOperator, Assignment, Computation, Path } from "../query/syntax-tree.ts";
import type { OperandTable } from "./operand-table.ts";

/** The highest index that an UPDATE can set: the elements before it are made where there are none. */
export const MAX_SET_INDEX = 9_999;

/**
 * What the assignments of an UPDATE do. A field needs an object around it and an index an array: whatever else is
 * on the way is replaced by one. An array that is too short is filled up with nulls.
 */
export function changesOf(assignments: readonly Assignment[], operands: OperandTable): DocumentChange {
  const containers = new Map<string, ContainerChange>();
  const leaves = new Set<string>();
  for (const { path } of assignments) {
    if (path[0] === "id") {
      throw new FormDBError(
        "FORMDB_UNSUPPORTED",
        `An UPDATE can't set ${pathText(path)}: a document keeps its id; insert it under another id and delete this one`,
      );
    }
    for (let length = 1; length < path.length; length++) addContainer(containers, path, length);
    const key = JSON.stringify(path);
    if (leaves.has(key)) throw conflict(path, "twice");
    leaves.add(key);
  }
  for (const { path } of assignments) {
    if (containers.has(JSON.stringify(path))) throw conflict(path, "and a part of it");
  }
  return {
    // A path is longer than what it leads through, so that parents come first.
    containers: [...containers.values()].sort((a, b) => a.path.length - b.path.length),
    leaves: assignments.map(({ path, value }) => {
      const computed = computedValue(value, operands);
      if (computed.type === "operand") return { path, kind: "set", operand: computed.operand };
      return { path, kind: "compute", value: computed };
    }),
    removals: [],
  };
}

function computedValue(
  value: Computation,
  operands: OperandTable,
  use: "value" | "number" = "value",
): ComputedValue {
  switch (value.type) {
    case "path":
      return value;
    case "arithmetic": {
      const left = computedValue(value.left, operands, "number");
      const right = computedValue(value.right, operands, "number");
      if (left.type !== "operand" || right.type !== "operand") return { ...value, left, right };
      return { type: "operand", operand: resultOf(value.operator, [left.operand, right.operand], operands) };
    }
    default:
      return { type: "operand", operand: operands.add(value, use) };
  }
}

/**
 * What values of the statement itself give is worked out before the engine is asked, so that it fails alike on every engine,
 * whether a document matches or not.
 */
function resultOf(
  operator: ArithmeticOperator,
  [left, right]: readonly [left: number, right: number],
  operands: OperandTable,
): number {
  const fail = (operation: string): FormDBError =>
    new FormDBError("FORMDB_CONSTRAINT", `The UPDATE can't be run: ${infinite(operation)}`);
  return operands.derive((values, parameters) => {
    const number = (side: number) => operands.resolvers[side]!(values, parameters) as number | null;
    return calculate(operator, [number(left), number(right)], fail);
  });
}

function addContainer(containers: Map<string, ContainerChange>, full: Path, length: number): void {
  const path = full.slice(0, length);
  const next = full[length]!;
  const key = JSON.stringify(path);
  const kind = typeof next === "number" ? "array" : "object";
  const known = containers.get(key);
  if (known !== undefined && known.kind !== kind) throw conflict(path, "both as an object and as an array");
  if (typeof next === "number" && next > MAX_SET_INDEX) {
    throw new FormDBError(
      "FORMDB_UNSUPPORTED",
      `An UPDATE can't set ${pathText(full)}: an index must be at most ${MAX_SET_INDEX}`,
    );
  }
  const needed = typeof next === "number" ? next + 1 : 0;
  containers.set(key, { path, kind, length: Math.max(needed, known?.length ?? 0) });
}

function conflict(path: Path, how: string): FormDBError {
  return new FormDBError(
    "FORMDB_SYNTAX",
    `An UPDATE can't set ${pathText(path)} ${how}: the result would depend on the order`,
  );
}
