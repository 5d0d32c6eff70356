import { createHash } from "node:crypto";
import type { JsonValue, Row } from "../../base/document.ts";
import { FormDBError } from "../../base/errors.ts";
import { show } from "../../base/options.ts";
import { isComposite, RANK, rankOf } from "../../dialect/value-rank.ts";
import { all, any, type FilterReader } from "../../plan/filter.ts";
import { isPlainValue } from "../../plan/operand-values.ts";
import type { Expression, Field, Path } from "../../query/syntax-tree.ts";

/** A path that rows are ordered by. */
export interface PathKey {
  readonly type: "path";
  readonly path: Path;
  readonly descending: boolean;
}

/** A place in an order: the values of its keys at the last row of a page, and last that row's id. */
export type Place = readonly JsonValue[];

/** Arrays are all alike in the order, and so are objects: a place holds an empty one for each. */
export function placeOf(keys: readonly PathKey[], read: (path: Path) => unknown): Place {
  return keys.map(({ path }) => {
    const value = (read(path) ?? null) as JsonValue;
    return isComposite(value) ? (Array.isArray(value) ? [] : {}) : value;
  });
}

/** What is at a path of a document. */
export function valueAt(document: Row, path: Path): unknown {
  let value: unknown = document;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    if (Array.isArray(value) !== (typeof part === "number")) return undefined;
    value = (value as Row)[part];
  }
  return value;
}

/** An opaque text for a place, which also says what query it was made for. */
export function writeCursor(query: string, place: Place): string {
  return Buffer.from(JSON.stringify([digest(query), ...place])).toString("base64url");
}

/** Throws `FORMDB_PARAMETER_MISMATCH` for what is no cursor, or one of another query. */
export function readCursor(cursor: unknown, query: string, keys: readonly PathKey[]): Place {
  const parts = parse(cursor);
  if (parts === undefined)
    throw refuse(`after must be what a page has given as its next, not ${show(cursor)}`);
  const [made, ...place] = parts;
  if (made !== digest(query) || place.length !== keys.length) {
    throw refuse("after was made for another query: collection, filter and order must be the same");
  }
  if (!place.every((value, i) => isPlaceOf(keys[i]!, value)))
    throw refuse(`after must be what a page has given as its next, not ${show(cursor)}`);
  return place as Place;
}

/** The condition for what comes after a place. The values are lifted out in their order. */
export function isAfter(keys: readonly PathKey[], place: Place, reader: FilterReader): Expression {
  const [key, ...others] = keys;
  const { path, descending } = key!;
  const subject: Field = { type: "path", path };
  const value = isId(key!) ? String(place[0]) : place[0]!;
  const rank = rankOf(value);
  const comparable = rank !== RANK.null && !isComposite(value);
  const beyond: Expression[] = [];
  if (comparable) {
    const right = reader.slot(value);
    beyond.push({ type: "compare", operator: descending ? "<" : ">", left: subject, right });
  }
  if (isId(key!)) return beyond[0]!;
  if (descending) {
    if (rank > RANK.null) beyond.push({ type: "not", operand: { type: "rank", subject, from: rank } });
  } else if (rank < RANK.object) beyond.push({ type: "rank", subject, from: rank + 1 });
  if (others.length > 0) {
    const tie = tied(subject, value, reader);
    beyond.push(all([...tie, isAfter(others, place.slice(1), reader)])!);
  }
  // Nothing orders before NULL.
  return beyond.length === 0
    ? { type: "not", operand: { type: "rank", subject, from: RANK.null } }
    : any(beyond);
}

/** Whether what comes after a place begins, by its first key, at the value there: one that has an order of its own. */
export function beginsAt([key]: readonly PathKey[], [value]: Place): boolean {
  return !isId(key!) && value !== null && !isComposite(value!);
}

const isId = ({ path }: PathKey): boolean => path.length === 1 && path[0] === "id";

function tied(subject: Field, value: JsonValue, reader: FilterReader): Expression[] {
  const rank = rankOf(value);
  if (rank === RANK.null) return [{ type: "isNull", subject, negated: false }];
  if (!isComposite(value)) {
    return [{ type: "compare", operator: "=", left: subject, right: reader.slot(value) }];
  }
  const from: Expression = { type: "rank", subject, from: rank };
  if (rank === RANK.object) return [from];
  return [from, { type: "not", operand: { type: "rank", subject, from: rank + 1 } }];
}

function parse(cursor: unknown): readonly unknown[] | undefined {
  if (typeof cursor !== "string") return undefined;
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString());
    return Array.isArray(parts) && typeof parts[0] === "string" ? parts : undefined;
  } catch {
    return undefined;
  }
}

/** Whether `placeOf` may have given a value for a key: a cursor comes back from whoever was sent it. */
function isPlaceOf(key: PathKey, value: unknown): boolean {
  if (isId(key)) return typeof value === "string" && isPlainValue(value);
  if (value === null || isPlainValue(value)) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

function digest(query: string): string {
  return createHash("sha256").update(query).digest("base64url").slice(0, 16);
}

function refuse(message: string): FormDBError {
  return new FormDBError("FORMDB_PARAMETER_MISMATCH", message, { details: { parameter: "after" } });
}
