import type { JsonValue } from "../base/document.ts";

/** The types of values in the order in which `ORDER BY` has them. Indexes hold these numbers: they never change. */
export const RANK = { null: 0, boolean: 1, number: 2, string: 3, array: 4, object: 5 } as const;

/** The place of a value's type in `RANK`. */
export function rankOf(value: JsonValue): number {
  switch (typeof value) {
    case "string":
      return RANK.string;
    case "number":
      return RANK.number;
    case "boolean":
      return RANK.boolean;
    default:
      if (value === null) return RANK.null;
      return Array.isArray(value) ? RANK.array : RANK.object;
  }
}

/** Whether a value is an array or an object: those are equal or not, and have no order. */
export function isComposite(value: JsonValue): boolean {
  return typeof value === "object" && value !== null;
}

/** The name of a value's type. */
export function kindOf(value: JsonValue): string {
  if (typeof value !== "object") return typeof value;
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : "object";
}

/** A list for `IN`, split into what the engines need to know of it. */
export interface SplitList {
  /** The elements but for nulls. */
  readonly values: readonly JsonValue[];
  /** Nothing is in an empty list, not even NULL: then `NOT IN` holds everywhere. */
  readonly empty: boolean;
  /** With a null among the elements no value is known not to be in the list. */
  readonly hasNull: boolean;
}

export function splitList(list: JsonValue): SplitList {
  const elements = list as readonly JsonValue[];
  const hasNull = elements.includes(null);
  return {
    values: hasNull ? elements.filter((element) => element !== null) : elements,
    empty: elements.length === 0,
    hasNull,
  };
}

/** The key that an operand stands for where it is compared with `id`: a string, or a safe integer's digits. */
export function encodeKey(value: JsonValue): string | null {
  if (typeof value === "string") return value;
  return Number.isSafeInteger(value) ? String(value) : null;
}

/** The keys that a list's elements stand for, without those that stand for none. */
export function keysOfList(list: JsonValue): readonly string[] {
  return (list as readonly JsonValue[]).map(encodeKey).filter((key) => key !== null);
}

/** The types of a list's elements, each once, in the order of `RANK` and apart by blanks; `empty` of an empty one. */
export function kindsOfList(list: JsonValue): string {
  const kinds = new Set((list as readonly JsonValue[]).map(kindOf));
  if (kinds.size === 0) return "empty";
  return Object.keys(RANK)
    .filter((kind) => kinds.has(kind))
    .join(" ");
}
