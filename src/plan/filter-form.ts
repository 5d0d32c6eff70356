import { MAX_NESTING_DEPTH } from "../query/limits.ts";
import type { ComparisonOperator } from "../query/syntax-tree.ts";
import { isPlainValue, MAX_PATTERN_LENGTH } from "./operand-values.ts";

/** The comparisons of filters by their names. */
export const COMPARISONS: ReadonlyMap<string, ComparisonOperator> = new Map([
  ["eq", "="],
  ["ne", "!="],
  ["gt", ">"],
  ["gte", ">="],
  ["lt", "<"],
  ["lte", "<="],
]);

/** What a filter can ask of a field; all other names are fields beneath it. */
export const OPERATORS: ReadonlySet<string> = new Set([
  ...COMPARISONS.keys(),
  "in",
  "notIn",
  "like",
  "between",
  "exists",
  "contains",
]);

/**
 * What a request has beside its values: words, of which no two kinds of requests have the same; and the values in their order.
 * Most requests of a program have one of a few forms, and what depends on the form alone need be made but once.
 */
export interface Form {
  readonly words: unknown[];
  readonly values: unknown[];
}

/** Words for what stands at a name. */
const VALUE = Symbol("value");
const LIST = Symbol("list");
const PARTS = Symbol("parts");
const OBJECT = Symbol("object");
/** The end of an object, or of parts. */
export const END: unique symbol = Symbol("end");

/**
 * Adds what a filter has. False for one with other values than plain ones, as they are lifted out by `FilterReader`: nothing
 * is to be looked up then. Says nothing of what is wrong with a filter: the form of a wrong one is never that of a right one.
 */
export function addFilter(form: Form, filter: unknown, isBeneathField = false, depth = 0): boolean {
  if (!isPlainObject(filter) || depth > MAX_NESTING_DEPTH) return false;
  for (const key in filter) {
    if (!Object.hasOwn(filter, key)) return false;
    form.words.push(key);
    const value = filter[key];
    if (key === "and" || key === "or") {
      if (!addParts(form, value, isBeneathField, depth + 1)) return false;
    } else if (key !== "not" && isBeneathField && OPERATORS.has(key)) {
      if (!addOperand(form, key, value)) return false;
    } else if (key !== "not" && (value === null || isPlainValue(value))) {
      addValue(form, value);
    } else {
      form.words.push(OBJECT);
      if (!addFilter(form, value, isBeneathField || key !== "not", depth + 1)) return false;
    }
  }
  form.words.push(END);
  return true;
}

function addParts(form: Form, parts: unknown, isBeneathField: boolean, depth: number): boolean {
  if (!Array.isArray(parts)) return false;
  form.words.push(PARTS);
  for (const part of parts) if (!addFilter(form, part, isBeneathField, depth)) return false;
  form.words.push(END);
  return true;
}

function addOperand(form: Form, operator: string, value: unknown): boolean {
  switch (operator) {
    case "eq":
    case "ne":
      if (value !== null && !isPlainValue(value)) return false;
      addValue(form, value);
      return true;
    case "exists":
      form.words.push(value);
      return typeof value === "boolean";
    case "in":
    case "notIn":
    case "between": {
      const list = plainList(value);
      if (list === undefined) return false;
      form.words.push(LIST);
      if (operator !== "between") form.values.push(list);
      else if (list.length === 2) form.values.push(list[0], list[1]);
      else return false;
      return true;
    }
    case "like":
      if (typeof value !== "string" || value.length > MAX_PATTERN_LENGTH) return false;
  }
  if (!isPlainValue(value)) return false;
  addValue(form, value);
  return true;
}

/** A copy of an array that has nothing but plain values. */
function plainList(value: unknown): unknown[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const list: unknown[] = [];
  for (const each of value) {
    if (!isPlainValue(each)) return undefined;
    // JSON has no negative zero.
    list.push(each === 0 ? 0 : each);
  }
  return list;
}

/** Null is no value that is compared with: it asks whether there is none. */
function addValue({ words, values }: Form, value: unknown): void {
  if (value === null) {
    words.push(null);
    return;
  }
  words.push(VALUE);
  values.push(value);
}

/** Words that are kept, of all forms together; one more, and all are forgotten. */
const MAX_WORDS = 20_000;

/** What was made for forms, by their words. */
export class Forms<Made> {
  #root: Place<Made> = emptyPlace();
  #count = 0;
  /** What was asked for last is often asked for again. */
  #lastWords: readonly unknown[] = [];
  #last: Made | undefined;

  get(words: readonly unknown[]): Made | undefined {
    if (areSame(words, this.#lastWords)) return this.#last;
    this.#lastWords = words;
    this.#last = this.#find(words);
    return this.#last;
  }

  #find(words: readonly unknown[]): Made | undefined {
    let place: Place<Made> | undefined = this.#root;
    for (let i = 0; i < words.length && place !== undefined; i++) place = place.next.get(words[i]);
    return place?.made;
  }

  keep(words: readonly unknown[], made: Made): void {
    this.#lastWords = words;
    this.#last = made;
    if (this.#count + words.length > MAX_WORDS) {
      this.#root = emptyPlace();
      this.#count = 0;
      if (words.length > MAX_WORDS) return;
    }
    let place = this.#root;
    for (const word of words) {
      let next = place.next.get(word);
      if (next === undefined) {
        next = emptyPlace();
        place.next.set(word, next);
        this.#count++;
      }
      place = next;
    }
    place.made = made;
  }
}

function areSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** What follows on the words before it. */
interface Place<Made> {
  readonly next: Map<unknown, Place<Made>>;
  made: Made | undefined;
}

function emptyPlace<Made>(): Place<Made> {
  return { next: new Map(), made: undefined };
}

/** Whether it is an object that was written as one. */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
