import type { Statement } from "./syntax-tree.ts";

/** A query's text as a tree. */
export interface ParsedText {
  readonly statement: Statement;
  /** The literals that were lifted out of the text, by slot, as in `ShapedText`. */
  readonly values: readonly unknown[];
}

/** The frozen tree of a query's text, with its literals lifted out. Throws `FORMDB_SYNTAX`. */
export function parse(text: string): ParsedText {
  return { statement: parseShape(text), values: [] };
}

/** The frozen tree of a shape's key. Throws `FORMDB_SYNTAX`. */
export function parseShape(key: string): Statement {
  throw new Error(key);
}
