import { isPlace, pathText, splitPath } from "../base/subject.ts";
import type { AggregateFunction, Field, IndexPath, Path, Subject, WidePath } from "./syntax-tree.ts";
import { TOKEN } from "./token.ts";
import type { TokenReader } from "./token-reader.ts";

/** A field of each element of an array: `path` leads on from an element of the last of the arrays, as in the tree. */
export interface ElementField {
  readonly type: "element";
  readonly arrays: readonly Path[];
  readonly field: Field;
}

/** Reads a path, or the text there in lower or upper case. */
export function parseField(reader: TokenReader): Field {
  return readCase(reader, () => reader.path());
}

/** The same of a path that may have `[*]` in it. */
export function parseWideField(reader: TokenReader): Field | ElementField {
  const { type, path } = readCase(reader, () => reader.widePath());
  if (isPlace(path)) return Object.freeze({ type, path });
  const { arrays, rest } = splitPath(path);
  return Object.freeze({ type: "element", arrays, field: Object.freeze({ type, path: rest }) });
}

/** Reads what an index is over. */
export function parseIndexPath(reader: TokenReader): IndexPath {
  const { at } = reader;
  const { type, path } = readCase(reader, () => reader.widePath());
  if (type === "path") return path;
  if (isPlace(path)) return Object.freeze({ type, path });
  const found = JSON.stringify(pathText(path));
  throw reader.refuse(
    at,
    found,
    `an index over texts in lower or upper case must be over one place, found ${found}`,
    "a path without [*]",
  );
}

function readCase<P extends WidePath>(
  reader: TokenReader,
  readPath: () => P,
): { readonly type: Field["type"]; readonly path: P } {
  const { kind, text } = reader.tokens;
  const isCase = kind === TOKEN.function && (text === "LOWER" || text === "UPPER");
  if (!isCase) return Object.freeze({ type: "path", path: readPath() });
  reader.advance();
  reader.expectSymbol("(");
  const path = readPath();
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
