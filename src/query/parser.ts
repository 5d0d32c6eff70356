import { checkSource } from "./cursor.ts";
import { KeyTokenizer } from "./key-tokenizer.ts";
import { LiftingTokenizer } from "./lifting-tokenizer.ts";
import type { ShapedText } from "./shape.ts";
import { parseStatement } from "./statement-parser.ts";
import type { Statement } from "./syntax-tree.ts";
import { TokenReader } from "./token-reader.ts";

/** A query's text as a tree. */
export interface ParsedText {
  readonly statement: Statement;
  /** The literals that were lifted out of the text, by slot, as in `ShapedText`. */
  readonly values: readonly unknown[];
}

/** The frozen tree of a query's text, with its literals lifted out as `shapeOf` does. Throws `FORMDB_SYNTAX`. */
export function parse(text: string): ParsedText {
  const tokens = new LiftingTokenizer(checkSource(text));
  const statement = parseStatement(new TokenReader(tokens));
  return Object.freeze({ statement, values: Object.freeze(tokens.values) });
}

/** The frozen tree of a shape's key, the same as that of each text of the shape. Throws `FORMDB_SYNTAX`. */
export function parseShape(key: string): Statement {
  return parseStatement(new TokenReader(new KeyTokenizer(checkSource(key))));
}

/**
 * The tree of a text whose shape is known, for a plan that is kept: it is read from the key, since the names in a tree
 * may be slices that keep the whole of what they were cut from in memory, such as a text with a long list. An error
 * points into the text all the same. Throws `FORMDB_SYNTAX`.
 */
export function statementOf(text: string, { key }: ShapedText): Statement {
  try {
    return parseShape(key);
  } catch (error) {
    parse(text);
    throw error;
  }
}
