/**
 * What a filter means, as a condition of the query language: written apart from the reader of filters, so that the two can
 * be compared. All values become parameters.
 */
import type { Expression, Operand, Path } from "../../src/query/syntax-tree.ts";

type Filter = Readonly<Record<string, unknown>>;
const COMPARE = { eq: "=", ne: "!=", gt: ">", gte: ">=", lt: "<", lte: "<=" } as const;

export function meaningOf(filter: object): {
  readonly where: Expression;
  readonly parameters: readonly unknown[];
} {
  const parameters: unknown[] = [];
  const take = (value: unknown): Operand => ({ type: "parameter", index: parameters.push(value) - 1 });
  return { where: ofFilter(filter as Filter, undefined, take), parameters };
}

/** `path` is the field that the filter is beneath, from the document or the element. */
function ofFilter(filter: Filter, path: Path | undefined, take: (value: unknown) => Operand): Expression {
  const parts = Object.entries(filter).map(([key, value]): Expression => {
    const each = (): Expression[] => (value as Filter[]).map((part) => ofFilter(part, path, take));
    if (key === "or" || key === "and") return { type: key, operands: each() };
    if (key === "not") return { type: "not", operand: ofFilter(value as Filter, path, take) };
    if (path !== undefined && isOperator(key)) return ofOperator(path, key, value, take);
    const steps = [...key.matchAll(/[^.[\]]+|\[\*\]/g)].map(([step]) =>
      step === "[*]" ? undefined : /^\d+$/.test(step) ? Number(step) : step,
    );
    return ofField(path ?? [], steps, value, take);
  });
  return { type: "and", operands: parts };
}

function ofField(
  before: Path,
  steps: readonly (string | number | undefined)[],
  value: unknown,
  take: (value: unknown) => Operand,
): Expression {
  const at = steps.indexOf(undefined);
  if (at >= 0) {
    const array = [...before, ...(steps.slice(0, at) as Path)];
    return { type: "some", arrays: [array], where: ofField([], steps.slice(at + 1), value, take) };
  }
  const path = [...before, ...(steps as Path)];
  const isFilter = typeof value === "object" && value !== null && !Array.isArray(value);
  return isFilter ? ofFilter(value as Filter, path, take) : ofOperator(path, "eq", value, take);
}

function isOperator(key: string): boolean {
  return key in COMPARE || ["in", "notIn", "like", "between", "exists", "contains"].includes(key);
}

function ofOperator(path: Path, key: string, value: unknown, take: (value: unknown) => Operand): Expression {
  const subject = { type: "path", path } as const;
  const nothing: Expression = { type: "isNull", subject, negated: false };
  switch (key) {
    case "exists":
      return { type: "isNull", subject, negated: value as boolean };
    case "like":
      return { type: "like", subject, pattern: take(value), negated: false };
    case "contains":
      return { type: "contains", subject, operand: take(value) };
    case "between": {
      const [low, high] = value as readonly [unknown, unknown];
      return { type: "between", subject, low: take(low), high: take(high), negated: false };
    }
    case "in":
    case "notIn": {
      // Null stands for what is not there, which is never known not to be in a list.
      const values = value as readonly unknown[];
      const known = values.filter((each) => each !== null);
      const isIn: Expression = {
        type: "in",
        subject,
        list: { type: "array", operand: take(known) },
        negated: key === "notIn",
      };
      if (known.length === values.length) return isIn;
      if (key === "in") return { type: "or", operands: [isIn, nothing] };
      return { type: "and", operands: [isIn, { type: "not", operand: nothing }] };
    }
    default: {
      if (value === null) return key === "eq" ? nothing : { type: "not", operand: nothing };
      const operator = COMPARE[key as keyof typeof COMPARE];
      return { type: "compare", operator, left: subject, right: take(value) };
    }
  }
}
