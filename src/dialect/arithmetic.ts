import { MAX_DOCUMENT_DEPTH } from "../base/document.ts";
import { type Path, pathText } from "../base/subject.ts";

/** What an engine's error begins with when arithmetic met a value that is no number: the path and the value's JSON follow. */
export const NOT_A_NUMBER = "formdb: no number at ";
/** And when a result is no finite number: the operation follows. */
export const NO_RESULT = "formdb: no result of ";
/** And when a value that is set to another path would nest too deep: that path follows. */
export const TOO_DEEP = "formdb: too deep at ";
const TOLD = new RegExp(`${NOT_A_NUMBER}(.+?): (.*) ;|${NO_RESULT}(.+?) ;|${TOO_DEEP}(.+?) ;`, "s");
/** How much of the value's JSON text the error holds, in characters. */
export const SHOWN_CHARACTERS = 60;

/** A path as people write it, as a string of SQL. */
export function pathLiteral(path: Path): string {
  return `'${pathText(path).replaceAll("'", "''")}'`;
}

/** How many levels a value may have to be set to this path; undefined if it makes no document deeper, wherever it comes from. */
export function levelsAt(to: Path, from: Path): number | undefined {
  return to.length > from.length ? MAX_DOCUMENT_DEPTH - to.length : undefined;
}

/** Why arithmetic failed. */
export interface ArithmeticFailure {
  readonly reason: string;
  /** The place that holds no number, or can't be set. */
  readonly path: string | undefined;
}

/** What an engine's error tells of arithmetic; undefined for all other errors. */
export function arithmeticFailure(message: string): ArithmeticFailure | undefined {
  const told = TOLD.exec(message);
  if (told === null) return undefined;
  const [, path, found, operation, deep] = told;
  if (deep !== undefined) {
    return {
      reason: `${deep} must not nest the document deeper than ${MAX_DOCUMENT_DEPTH} levels`,
      path: deep,
    };
  }
  if (operation !== undefined) return { reason: infinite(operation), path: undefined };
  return { reason: `${path} must hold a number for arithmetic, or nothing, not ${found}`, path };
}

/** Why an operation, such as `5 / 0`, has no result. */
export function infinite(operation: string): string {
  return `the result of ${operation} must be a finite number`;
}

/** The two sides of an operation. */
type Sides = readonly [left: number | null, right: number | null];

/** The result of two numbers, as of doubles everywhere; null where one of them is. Throws what `fail` gives where it is not finite. */
export function calculate(
  operator: string,
  [left, right]: Sides,
  fail: (operation: string) => Error,
): number | null {
  if (left === null || right === null) return null;
  const result = resultOf(operator, left, right);
  if (!Number.isFinite(result)) throw fail(`${left} ${operator} ${right}`);
  // JSON has no negative zero.
  return result + 0;
}

function resultOf(operator: string, left: number, right: number): number {
  if (operator === "+") return left + right;
  if (operator === "-") return left - right;
  return operator === "*" ? left * right : left / right;
}
