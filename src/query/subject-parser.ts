import type { AggregateFunction, Field, Subject } from "./syntax-tree.ts";
import { TOKEN } from "./token.ts";
import type { TokenReader } from "./token-reader.ts";

/** Reads a path, or the text there in lower or upper case. */
export function parseField(reader: TokenReader): Field {
  const { kind, text } = reader.tokens;
  const isCase = kind === TOKEN.function && (text === "LOWER" || text === "UPPER");
  if (!isCase) return Object.freeze({ type: "path", path: reader.path() });
  reader.advance();
  reader.expectSymbol("(");
  const path = reader.path();
  reader.expectSymbol(")");
  return Object.freeze({ type: text === "LOWER" ? "lower" : "upper", path });
}

/** Reads an aggregate or a field. */
export function parseSubject(reader: TokenReader): Subject {
  if (!isAggregate(reader)) return parseField(reader);
  const name = reader.tokens.text as AggregateFunction;
  reader.advance();
  reader.expectSymbol("(");
  const isDistinct = name === "COUNT" && reader.keyword("DISTINCT");
  const isOfAll = name === "COUNT" && !isDistinct && reader.symbol("*");
  const of = isOfAll ? undefined : parseField(reader);
  reader.expectSymbol(")");
  return Object.freeze({ type: "aggregate", function: isDistinct ? "COUNT DISTINCT" : name, of });
}

/** Whether an aggregate begins here. */
export function isAggregate({ tokens: { kind, text } }: TokenReader): boolean {
  return kind === TOKEN.function && text !== "LOWER" && text !== "UPPER";
}
