import { FormDBError } from "../base/errors.ts";
import { show } from "../base/options.ts";
import { isPlace, pathText, splitPath } from "../base/subject.ts";
import { MAX_CONDITIONS, MAX_NESTING_DEPTH, MAX_PATH_ARRAYS } from "../query/limits.ts";
import { parsePath, parseWidePath } from "../query/path-text.ts";
import type { Expression, Field, Operand, Path, WidePath } from "../query/syntax-tree.ts";
import { COMPARISONS, isPlainObject, OPERATORS } from "./filter-form.ts";
import { isPlainValue, jsonValue, listValue, patternValue } from "./operand-values.ts";

/** Paths that are kept by their texts. */
const MAX_PATHS = 2_000;
const paths = new Map<string, WidePath>();

/** What MongoDB's filters hold beside fields. */
const FOREIGN: ReadonlySet<string> = new Set(["$and", "$or", "$nor", "$not", "$expr", "$where", "$text"]);

/** Operators that hold for nothing that has fields. */
const OF_SCALARS: ReadonlySet<string> = new Set(["gt", "gte", "lt", "lte", "between", "like"]);

/** The path that a text names, to one place. */
export function pathOf(text: string): Path {
  const path = widePathOf(text);
  return isPlace(path) ? path : parsePath(text);
}

/** The path that a text names, from those that were named before if it is there. It may have `[*]` in it. */
function widePathOf(text: string): WidePath {
  let path = paths.get(text);
  if (path === undefined) {
    path = Object.freeze(parseWidePath(text));
    if (paths.size >= MAX_PATHS) paths.clear();
    paths.set(text, path);
  }
  return path;
}

/**
 * Reads filters that are data into the syntax tree that their texts parse to, and lifts their values out in the order of
 * those texts. In an object beneath a field, the names of operators are operators and all others are fields. An object
 * beneath a path with `[*]` is about one element of the array.
 */
export class FilterReader {
  /** The lifted values, by slot. */
  readonly values: unknown[] = [];
  #conditions = 0;
  /** The number of arrays of whose elements the filter is that is being read. */
  #arrays = 0;

  /** The condition that a filter stands for; undefined if it holds for every document. */
  read(filter: unknown): Expression | undefined {
    return all(this.#parts(filter, undefined, 0));
  }

  /** Lifts a value out. */
  slot(value: unknown): Operand {
    return { type: "slot", index: this.values.push(value) - 1 };
  }

  /** `at` is the field that the filter is beneath; undefined if it is about the document. */
  #parts(filter: unknown, at: Path | undefined, depth: number): Expression[] {
    if (!isPlainObject(filter)) throw refuse(`A filter must be an object, not ${show(filter)}`, at);
    if (depth > MAX_NESTING_DEPTH) {
      throw refuse(`A filter must not nest deeper than ${MAX_NESTING_DEPTH} levels`, at);
    }
    const parts: Expression[] = [];
    let ofScalar: string | undefined;
    let field: string | undefined;
    for (const key in filter) {
      if (!Object.hasOwn(filter, key)) continue;
      const value = filter[key];
      if (value === undefined) {
        throw refuse(`The filter's ${key} must not be undefined: leave it out, or compare with null`, at);
      }
      if (at === undefined ? FOREIGN.has(key) : key.startsWith("$")) {
        throw refuse(
          `The filter has the operator ${show(key)}; operators are written without a $, as in gt`,
          at,
        );
      }
      if (key === "and") for (const each of this.#list(key, value, at, depth)) parts.push(each);
      else if (key === "or") parts.push(any(this.#list(key, value, at, depth)));
      else if (key === "not") parts.push({ type: "not", operand: this.#needed(key, value, at, depth) });
      else if (at !== undefined && OPERATORS.has(key)) {
        if (OF_SCALARS.has(key)) ofScalar = key;
        parts.push(this.#condition(at, key, value));
      } else {
        field = key;
        this.#anyField(parts, at === undefined ? widePathOf(key) : [...at, ...widePathOf(key)], value, depth);
      }
    }
    if (ofScalar !== undefined && field !== undefined) {
      throw refuse(
        `The filter has ${show(field)} beside the operator ${ofScalar}; it is no operator, and what ${ofScalar} compares has no fields`,
        at,
      );
    }
    return parts;
  }

  #list(key: string, value: unknown, at: Path | undefined, depth: number): Expression[] {
    if (!Array.isArray(value) || value.length === 0) {
      throw refuse(`The filter's ${key} must be an array of one filter or more, not ${show(value)}`, at);
    }
    return value.map((filter) => this.#needed(key, filter, at, depth));
  }

  #needed(key: string, filter: unknown, at: Path | undefined, depth: number): Expression {
    const expression = all(this.#parts(filter, at, depth + 1));
    if (expression === undefined) {
      throw refuse(`The filter's ${key} must have conditions; an empty one holds for every document`, at);
    }
    return expression;
  }

  #anyField(parts: Expression[], path: WidePath, value: unknown, depth: number): void {
    if (isPlace(path)) {
      this.#field(parts, path, value, depth);
      return;
    }
    const { arrays, rest } = splitPath(path);
    this.#arrays += arrays.length;
    if (this.#arrays > MAX_PATH_ARRAYS) {
      throw refuse(`A filter must have [*] at most ${MAX_PATH_ARRAYS} times within each other`, path);
    }
    const ofElement: Expression[] = [];
    this.#field(ofElement, rest, value, depth);
    this.#arrays -= arrays.length;
    parts.push({ type: "some", arrays, where: all(ofElement)! });
  }

  #field(parts: Expression[], path: Path, value: unknown, depth: number): void {
    if (!isPlainObject(value)) {
      parts.push(this.#condition(path, "eq", value));
      return;
    }
    const inner = this.#parts(value, path, depth + 1);
    if (inner.length === 0) {
      throw refuse("A filter's object must have conditions; compare with an empty object by eq", path);
    }
    parts.push(...inner);
  }

  #condition(path: Path, operator: string, value: unknown): Expression {
    if (++this.#conditions > MAX_CONDITIONS) {
      throw refuse(`A filter must have at most ${MAX_CONDITIONS} conditions`, path);
    }
    const subject: Field = { type: "path", path };
    const comparison = COMPARISONS.get(operator);
    if (comparison !== undefined) {
      if (value === null && (operator === "eq" || operator === "ne")) {
        return { type: "isNull", subject, negated: operator === "ne" };
      }
      const right = this.#lift(value, path, operator);
      return { type: "compare", operator: comparison, left: subject, right };
    }
    switch (operator) {
      case "in":
      case "notIn":
        return this.#isIn(
          path,
          listValue(value, nameOf(path, operator)) as readonly unknown[],
          operator === "notIn",
        );
      case "like": {
        const pattern = this.slot(patternValue(value, nameOf(path, operator)));
        return { type: "like", subject, pattern, negated: false };
      }
      case "between": {
        if (!Array.isArray(value) || value.length !== 2) {
          throw refuse(`between needs an array of two values, not ${show(value)}`, path);
        }
        const low = this.#lift(value[0], path, operator);
        return { type: "between", subject, low, high: this.#lift(value[1], path, operator), negated: false };
      }
      case "contains":
        return { type: "contains", subject, operand: this.#lift(value, path, operator) };
      default:
        if (typeof value !== "boolean")
          throw refuse(`exists must be true or false, not ${show(value)}`, path);
        return { type: "isNull", subject, negated: value };
    }
  }

  /** In a list, null stands for what is not there, as it does by itself. */
  #isIn(path: Path, values: readonly unknown[], negated: boolean): Expression {
    const known = values.filter((value) => value !== null);
    const subject: Field = { type: "path", path };
    const isNull: Expression = { type: "isNull", subject, negated };
    if (known.length === 0 && values.length > 0) return isNull;
    const list = { type: "array", operand: this.slot(known) } as const;
    const isIn: Expression = { type: "in", subject, list, negated };
    // Of what is not there IN is unknown, and the other is not: so that `not` of the one is the other.
    return known.length === values.length ? isIn : { type: negated ? "and" : "or", operands: [isIn, isNull] };
  }

  #lift(value: unknown, path: Path, operator: string): Operand {
    return this.slot(isPlainValue(value) ? value : jsonValue(value, nameOf(path, operator)));
  }
}

/** Conditions that must all hold, as one; undefined of none. */
export function all(parts: readonly Expression[]): Expression | undefined {
  if (parts.length < 2) return parts[0];
  return { type: "and", operands: parts.flatMap((part) => (part.type === "and" ? part.operands : [part])) };
}

/** Conditions of which one must hold, as one. */
export function any(parts: readonly Expression[]): Expression {
  if (parts.length === 1) return parts[0]!;
  return { type: "or", operands: parts.flatMap((part) => (part.type === "or" ? part.operands : [part])) };
}

function nameOf(path: Path, operator: string): string {
  return `The filter's value at ${pathText(path)} (${operator})`;
}

function refuse(message: string, at: WidePath = []): FormDBError {
  const place = at.length === 0 ? "" : ` (at ${pathText(at)})`;
  return new FormDBError("FORMDB_SYNTAX", `${message}${place}`, { details: { path: pathText(at) } });
}
