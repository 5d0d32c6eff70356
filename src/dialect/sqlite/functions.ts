import type { JsonValue } from "../../base/document.ts";
import { calculate, NO_RESULT, NOT_A_NUMBER, SHOWN_CHARACTERS, TOO_DEEP } from "../arithmetic.ts";
import { canonicalJson } from "../canonical-json.ts";
import { ExactSum, roundedAverage, roundedSum } from "./exact-sum.ts";

/** A function in SQL that a connection to SQLite must have. */
export interface SqliteFunction {
  readonly name: string;
  /** The same values always give the same result. */
  readonly deterministic: boolean;
  readonly fn: (...texts: readonly (string | null)[]) => string | number | bigint | null;
}

/** An aggregate in SQL that a connection to SQLite must have. */
export interface SqliteAggregate {
  readonly name: string;
  readonly start: () => unknown;
  readonly step: (sum: unknown, value: unknown) => void;
  readonly result: (sum: unknown) => string | null;
}

/**
 * What SQLite cannot do itself: the canonical text of an array's or object's JSON, arithmetic that is of doubles for
 * whole numbers too, and sums of decimals as PostgreSQL has them. Only queries use it, for such values or once a group; no
 * index holds it, so other programs can still write to the file.
 */
export const sqliteFunctions: readonly SqliteFunction[] = Object.freeze([
  {
    name: "formdb_canonical",
    deterministic: true,
    fn: (text: string | null): string | null =>
      text === null ? null : canonicalJson(JSON.parse(text) as JsonValue),
  },
  { name: "formdb_arithmetic", deterministic: true, fn: arithmetic },
  { name: "formdb_shallow", deterministic: true, fn: shallow },
  { name: "formdb_sum", deterministic: true, fn: roundedSum },
  { name: "formdb_avg", deterministic: true, fn: roundedAverage },
]);

/**
 * The result's JSON text, from those of the operands: null where one is null. Throws where the result is not finite, and for
 * any other value that is no number, by the name of its side.
 */
function arithmetic(
  operator: string | null,
  left: string | null,
  right: string | null,
  leftName: string | null,
  rightName: string | null,
): string {
  const sides = [numberIn(left, leftName), numberIn(right, rightName)] as const;
  return JSON.stringify(calculate(operator!, sides, (operation) => new Error(`${NO_RESULT}${operation} ;`)));
}

/** The JSON text, if its arrays and objects nest in at most so many levels; throws by the name of the path that it is set to. */
function shallow(text: string | null, levels: string | null, name: string | null): string | null {
  if (text !== null && nestsDeeper(JSON.parse(text), Number(levels))) throw new Error(`${TOO_DEEP}${name} ;`);
  return text;
}

function nestsDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => nestsDeeper(inner, levels - 1));
}

function numberIn(text: string | null, name: string | null): number | null {
  const value: unknown = text === null ? null : JSON.parse(text);
  if (value === null || typeof value === "number") return value;
  throw new Error(`${NOT_A_NUMBER}${name}: ${String(text).slice(0, SHOWN_CHARACTERS)} ;`);
}

/** Numbers whose sum SQLite can't work out exactly itself. */
export const sqliteAggregates: readonly SqliteAggregate[] = Object.freeze([
  {
    name: "formdb_decimals",
    start: () => new ExactSum(),
    step: (sum: unknown, text: unknown) => (sum as ExactSum).add(text as string),
    result: (sum: unknown) => (sum as ExactSum).total,
  },
]);
