import { type Cursor, isDigit, isNamePart } from "./cursor.ts";
import { limitError, quoteSource, syntaxError } from "./syntax-error.ts";

/** A double holds every decimal number of so many digits apart from every other. */
const EXACT_DIGITS = 15;

/**
 * Reads the number that starts here with a digit or a minus: JSON's notation. Refuses what could not be kept:
 * an integer beyond 2^53 - 1, a number so large that it becomes infinite or so small that it becomes 0. `-0` is 0.
 */
export function readNumber(cursor: Cursor): number {
  const text = cursor.source;
  const { length } = text;
  const start = cursor.position;
  const negative = text.charCodeAt(start) === 0x2d;
  const digits = negative ? start + 1 : start;
  let i = digits;
  let value = 0;
  while (i < length && isDigit(text.charCodeAt(i))) value = value * 10 + (text.charCodeAt(i++) - 0x30);
  if (i === digits) throw unreadable(cursor, start, i, "a digit must follow the minus");
  if (i - digits > 1 && text.charCodeAt(digits) === 0x30) {
    throw unreadable(cursor, start, i, "a number must not start with a surplus 0");
  }
  const next = i < length ? text.charCodeAt(i) : 0;
  if (next === 0x2e || (next | 0x20) === 0x65) return readFraction(cursor, start, i);
  if (isNamePart(next)) throw unreadable(cursor, start, i + 1, "a number must end before a letter");
  if (value > Number.MAX_SAFE_INTEGER) {
    throw unreadable(cursor, start, i, "an integer beyond 2^53 - 1 would be rounded; give it as a string");
  }
  cursor.position = i;
  return negative && value !== 0 ? -value : value;
}

/** Reads the decimal digits that start here, as an index or a parameter's number has them. */
export function readDigits(cursor: Cursor, what: string, limit: string, maximum: number): number {
  const text = cursor.source;
  const start = cursor.position;
  let number = 0;
  let i = start;
  while (isDigit(text.charCodeAt(i))) number = number * 10 + (text.charCodeAt(i++) - 0x30);
  if (i === start) {
    throw syntaxError({ text, at: start, found: cursor.describe(), expected: ["a number"] });
  }
  if (number > maximum) {
    throw limitError(text, start, what, { [limit]: maximum }, quoteSource(text, start, i));
  }
  if (i - start > 1 && text.charCodeAt(start) === 0x30) {
    throw unreadable(cursor, start, i, `${what} must not start with a surplus 0`);
  }
  cursor.position = i;
  return number;
}

function readFraction(cursor: Cursor, start: number, pointOrExponent: number): number {
  const text = cursor.source;
  let i = pointOrExponent;
  if (text.charCodeAt(i) === 0x2e) {
    const from = ++i;
    while (isDigit(text.charCodeAt(i))) i++;
    if (i === from) throw unreadable(cursor, start, i, "a digit must follow the decimal point");
  }
  const mantissaEnd = i;
  if ((text.charCodeAt(i) | 0x20) === 0x65) {
    i++;
    if (text.charCodeAt(i) === 0x2b || text.charCodeAt(i) === 0x2d) i++;
    const from = i;
    while (isDigit(text.charCodeAt(i))) i++;
    if (i === from) throw unreadable(cursor, start, i, "a digit must follow the exponent's e");
  }
  if (isNamePart(text.charCodeAt(i))) {
    throw unreadable(cursor, start, i + 1, "a number must end before a letter");
  }
  const value = Number(text.slice(start, i));
  if (!Number.isFinite(value)) throw unreadable(cursor, start, i, "the number is too large for a double");
  const significant = significantDigits(text, start, mantissaEnd);
  if (value === 0 && significant > 0) {
    throw unreadable(cursor, start, i, "the number is so small that it would become 0");
  }
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER && significant > EXACT_DIGITS) {
    throw unreadable(cursor, start, i, "a number beyond 2^53 - 1 of so many digits would be rounded");
  }
  cursor.position = i;
  return value === 0 ? 0 : value;
}

/** How many digits there are from the first to the last that is not 0. */
function significantDigits(text: string, start: number, end: number): number {
  let count = 0;
  let zeros = 0;
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x30) {
      if (count > 0) zeros++;
    } else if (isDigit(code)) {
      count += zeros + 1;
      zeros = 0;
    }
  }
  return count;
}

function unreadable(cursor: Cursor, start: number, end: number, reason: string): Error {
  const found = quoteSource(cursor.source, start, Math.min(end, cursor.source.length));
  return cursor.refuse(start, found, `${reason}, found ${found}`, "a number");
}
