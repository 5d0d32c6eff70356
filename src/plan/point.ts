import type { EngineStatement } from "../base/engine-statement.ts";
import { isOperand } from "../query/path-text.ts";
import type { Expression, Operand, Select, Term } from "../query/syntax-tree.ts";

const isId = (term: Term): boolean => term.type === "path" && term.path.length === 1 && term.path[0] === "id";

/** The operand of an expression that is nothing but `id = operand`. */
export function idOperand(expression: Expression | undefined): Operand | undefined {
  if (expression?.type !== "compare" || expression.operator !== "=") return undefined;
  const { left, right } = expression;
  if (isOperand(left)) return isId(right) ? left : undefined;
  return isId(left) && isOperand(right) ? right : undefined;
}

/** The operand of a `SELECT * … WHERE id = operand` and nothing more. */
export function pointOperand(select: Select): Operand | undefined {
  const { items, groupBy, orderBy, limit, offset, where } = select;
  if (items !== undefined || groupBy.length > 0 || orderBy.length > 0) return undefined;
  return limit === undefined && offset === undefined ? idOperand(where) : undefined;
}

/** How many documents a condition leaves to look at: what its keys say, since indexes may come and go. */
export function costOf(where: Expression | undefined): EngineStatement["cost"] {
  if (idOperand(where) !== undefined) return "point";
  if (where?.type === "and") {
    const costs = where.operands.map(costOf);
    return costs.includes("point") ? "point" : costs.includes("bounded") ? "bounded" : "scan";
  }
  if (where?.type === "or")
    return where.operands.every((part) => costOf(part) !== "scan") ? "bounded" : "scan";
  return where?.type === "in" && !where.negated && isId(where.subject) ? "bounded" : "scan";
}
