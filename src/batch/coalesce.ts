import { FormDBError } from "../base/errors.ts";
import type { WriteKind } from "../base/observer.ts";
import type { Coalesce, OperationResult } from "./group.ts";
import {
  applyInto,
  composeInto,
  type JsonObject,
  type Merging,
  parseObject,
  patchOntoDocument,
  patchOntoPatch,
} from "./merge-patch.ts";
import { MergedOperation, type Operation } from "./operation.ts";

/** The most operations that are sent as one. */
export const MAX_MERGED = 1_000;
/** The most changes of one document that are sent together: while they are made, each one's document takes room. */
export const MAX_CHANGES = 100;
/** The most bytes of documents and patches that are merged: more would keep the event loop for longer than it saves. */
export const MAX_MERGED_BYTES: number = 256 * 1024;

/**
 * What `first` and operations that wait behind it are as one; undefined where it is sent by itself. At most `room`
 * bytes of operations are merged, so that what comes out has no more.
 */
export function coalesce(first: Operation, mode: Coalesce, room: number): MergedOperation | undefined {
  if (mode === "none" || first.alone || first.next === undefined) return undefined;
  if (first.change !== undefined)
    return first.change.isHidden && mode !== "all"
      ? undefined
      : withChanges(first, Math.min(room, MAX_MERGED_BYTES));
  if (mode === "all" || first.kind === "delete") {
    const deleted = untilDelete(first);
    if (deleted !== undefined) return deleted;
  }
  return first.kind === "delete" ? undefined : withValues(first, mode, Math.min(room, MAX_MERGED_BYTES));
}

/**
 * The longest run that ends in a delete and of which a delete's `found` tells all. Values do not matter then. (An
 * update before an upsert, or anything after a delete but another, can't be told from it.)
 */
function untilDelete(first: Operation): MergedOperation | undefined {
  const run: Operation[] = [];
  let kind: WriteKind = first.kind;
  let end = 0;
  for (let at: Operation | undefined = first; at !== undefined; at = at.next) {
    if (at !== first) {
      if (at.state !== "blocked") continue;
      if (run.length === MAX_MERGED || at.alone || at.change !== undefined) break;
      if (at.kind === "delete") kind = "delete";
      else if (!writesOnto(kind, at.kind)) break;
    }
    run.push(at);
    if (at.kind === "delete") end = run.length;
  }
  return end < 2 ? undefined : new MergedOperation("delete", run.slice(0, end), "", undefined);
}

/** A run whose document or patch can be worked out. Its kind is that of the first. */
function withValues(first: Operation, mode: Coalesce, room: number): MergedOperation | undefined {
  const parts = [first];
  let bytes = first.bytes;
  let source = first;
  let value: JsonObject | undefined;
  for (let at = first.next; at !== undefined; at = at.next) {
    if (at.state !== "blocked") continue;
    bytes += at.bytes;
    if (parts.length === MAX_MERGED || bytes > room || at.alone) break;
    if (at.change !== undefined || !writesOnto(first.kind, at.kind)) break;
    if (at.kind === "upsert") {
      if (mode !== "all") break;
      source = at;
      value = undefined;
    } else {
      value ??= parseObject(source.json);
      if (value === undefined || !merge(first.kind, value, at, mode)) break;
    }
    parts.push(at);
  }
  if (parts.length === 1) return undefined;
  return value === undefined
    ? new MergedOperation(first.kind, parts, source.json, source.document)
    : new MergedOperation(first.kind, parts, JSON.stringify(value), value);
}

/** A run of changes of one form. The database makes one after the other, and tells of each. */
function withChanges(first: Operation, room: number): MergedOperation | undefined {
  const parts = [first];
  let bytes = first.bytes;
  for (let at = first.next; at !== undefined; at = at.next) {
    if (at.state !== "blocked") continue;
    bytes += at.bytes;
    if (parts.length === MAX_CHANGES || bytes > room || at.alone) break;
    if (at.change?.form !== first.change!.form || at.change.isHidden !== first.change!.isHidden) break;
    parts.push(at);
  }
  return parts.length === 1 ? undefined : new MergedOperation("update", parts, "", undefined);
}

/**
 * Whether an operation may go on with what one of the kind `onto` wrote, so that success of the one is success of
 * both.
 */
function writesOnto(onto: WriteKind, kind: WriteKind): boolean {
  if (kind === "update") return onto !== "delete";
  return kind === "upsert" && (onto === "insert" || onto === "upsert");
}

function merge(kind: WriteKind, value: JsonObject, update: Operation, mode: Coalesce): boolean {
  const patch = parseObject(update.json);
  if (patch === undefined) return false;
  const merging: Merging = kind === "update" ? patchOntoPatch(value, patch) : patchOntoDocument(value, patch);
  if (merging === "impossible" || (merging === "overwriting" && mode !== "all")) return false;
  if (kind === "update") composeInto(value, patch);
  else applyInto(value, patch);
  return true;
}

/**
 * How each part ended, by the result of the one that was sent, in the order of the parts; undefined where it does
 * not tell. Then nothing was applied, so that the parts can be sent one by one.
 */
export function outcomesOfParts(
  { kind, parts }: MergedOperation,
  result: OperationResult | undefined,
): readonly OperationResult[] | undefined {
  const error = result?.error;
  if (error !== undefined) {
    const allMissing = kind === "update" && error.code === "FORMDB_NOT_FOUND";
    return allMissing ? parts.map(() => ({ error })) : undefined;
  }
  return kind === "delete" ? outcomesOfDelete(parts, result) : parts.map(() => APPLIED);
}

const APPLIED: OperationResult = Object.freeze({});

/** The document is gone: what the parts before the delete did follows from whether it had been there. */
function outcomesOfDelete(
  parts: readonly Operation[],
  result: OperationResult | undefined,
): readonly OperationResult[] | undefined {
  const first = parts[0]!;
  // As for a delete that is sent by itself: whoever says nothing has found it.
  const wasThere = result?.found !== false;
  if (first.kind === "update" && !wasThere) return undefined;
  let deleted = false;
  return parts.map((part) => {
    if (part.kind !== "delete") {
      return part === first && part.kind === "insert" && wasThere ? { error: duplicate(part) } : APPLIED;
    }
    if (deleted) return { found: false };
    deleted = true;
    return first.kind === "delete" ? (result ?? APPLIED) : { found: true };
  });
}

function duplicate({ collection, id }: Operation): FormDBError {
  return new FormDBError(
    "FORMDB_DUPLICATE_ID",
    `The document could not be inserted: ${collection} already has one with the id ${JSON.stringify(id)}`,
    { details: { collection, id } },
  );
}
