import type { ComparisonOperator, Expression } from "../query/syntax-tree.ts";
import { rememberText } from "../query/tree-text.ts";
import { isPlainValue } from "./operand-values.ts";

/** The comparisons of filters by their names. */
export const COMPARISONS: ReadonlyMap<string, ComparisonOperator> = new Map([
  ["eq", "="],
  ["ne", "!="],
  ["gt", ">"],
  ["gte", ">="],
  ["lt", "<"],
  ["lte", "<="],
]);

/** Forms whose conditions are kept. */
const MAX_FORMS = 2_000;
const known = new Map<string, Expression>();

/** What a filter of a known form stands for, and its values in their order. */
export interface Formed {
  /** Undefined of a filter that has more than comparisons of fields with plain values. */
  readonly form: string | undefined;
  readonly values: unknown[];
}

/**
 * What a filter has beside its values. Most filters of a program have one of a few forms, of which the condition need not be
 * made anew, nor its text. Says nothing of what is wrong with a filter: that is for who reads it.
 */
export function formOf(filter: unknown): Formed {
  const values: unknown[] = [];
  return { form: isPlainObject(filter) ? fieldsOf(filter, values) : undefined, values };
}

/** The condition of a form that was seen before. */
export function conditionOf(form: string): Expression | undefined {
  return known.get(form);
}

/** Keeps the condition of a form. */
export function rememberForm(form: string, condition: Expression): void {
  if (known.size >= MAX_FORMS) known.clear();
  rememberText(condition);
  known.set(form, condition);
}

/** With the length before each name no two filters are taken for one. */
function fieldsOf(filter: Readonly<Record<string, unknown>>, values: unknown[]): string | undefined {
  let form = "";
  for (const key in filter) {
    if (key === "and" || key === "or" || key === "not" || !Object.hasOwn(filter, key)) return undefined;
    const value = filter[key];
    if (isPlainValue(value)) {
      values.push(value);
      form += `${key.length}:${key}=`;
      continue;
    }
    if (!isPlainObject(value)) return undefined;
    const { length } = values;
    for (const name in value) {
      const operator = COMPARISONS.get(name);
      if (operator === undefined || !Object.hasOwn(value, name) || !isPlainValue(value[name]))
        return undefined;
      values.push(value[name]);
      form += `${key.length}:${key}${operator}`;
    }
    if (values.length === length) return undefined;
  }
  return form === "" ? undefined : form;
}

/** Whether it is an object that was written as one. */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
