import type { JsonValue } from "../base/document.ts";

/** A piece of a pattern: literal text, any one character, or any text. */
export type LikePiece = { readonly literal: string } | "one" | "any";

/** The highest code point, and the gap in which there are none. */
const LAST_CODE_POINT = 0x10ffff;
const BEFORE_SURROGATES = 0xd7ff;
const AFTER_SURROGATES = 0xe000;

/**
 * A pattern of `LIKE` taken apart: `%` is any text, `_` any one character, and a backslash makes the next
 * character plain (one at the very end stands for itself). Several `%` in a row are one.
 */
export function parseLike(pattern: string): readonly LikePiece[] {
  const pieces: LikePiece[] = [];
  let literal = "";
  const close = (): void => {
    if (literal !== "") pieces.push({ literal });
    literal = "";
  };
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i]!;
    if (char === "\\" && i + 1 < pattern.length) literal += pattern[++i]!;
    else if (char === "_") {
      close();
      pieces.push("one");
    } else if (char === "%") {
      close();
      if (pieces.at(-1) !== "any") pieces.push("any");
    } else literal += char;
  }
  close();
  return pieces;
}

/** A pattern as an engine spells it; NULL where it is no string. `literal` spells text that matches itself. */
export function spellLike(
  pattern: JsonValue,
  { one, any }: { readonly one: string; readonly any: string },
  literal: (text: string) => string,
): string | null {
  if (typeof pattern !== "string") return null;
  return parseLike(pattern)
    .map((piece) => (piece === "one" ? one : piece === "any" ? any : literal(piece.literal)))
    .join("");
}

/** What decides how an engine looks for a pattern: `null` if it is none, `start` if an index can lead to what matches. */
export function kindOfPattern(pattern: JsonValue): "null" | "any start" | "start" {
  if (typeof pattern !== "string") return "null";
  return likePrefix(pattern) === "" ? "any start" : "start";
}

/** The text that everything that matches starts with, or NULL where the pattern is no string. */
export function likePrefix(pattern: JsonValue): string | null {
  if (typeof pattern !== "string") return null;
  const first = parseLike(pattern)[0];
  return typeof first === "object" ? first.literal : "";
}

/** The smallest text, by code points, that is greater than all that start with `prefix`; undefined if none is. */
export function textAfter(prefix: string): string | undefined {
  const points = Array.from(prefix, (char) => char.codePointAt(0)!);
  while (points.at(-1) === LAST_CODE_POINT) points.pop();
  const last = points.pop();
  if (last === undefined) return undefined;
  return String.fromCodePoint(...points, last === BEFORE_SURROGATES ? AFTER_SURROGATES : last + 1);
}
