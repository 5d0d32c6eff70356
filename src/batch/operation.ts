import { encodeDocument, encodeId, encodePatch } from "../base/document.ts";
import { FormDBError } from "../base/errors.ts";
import type { WriteKind, WriteOutcome } from "../base/observer.ts";
import { oneOf, show } from "../base/options.ts";
import type { BatchOperation, ContextRunner, DocumentChange } from "./group.ts";

/** Says what a kind of write must be if this is none. */
export const checkWriteKind: (kind: unknown) => string | undefined = oneOf(
  "insert",
  "update",
  "upsert",
  "delete",
);

/** How an operation ended. `error` is there unless it was applied. */
export interface Ending {
  readonly outcome: WriteOutcome;
  readonly error?: FormDBError | undefined;
  /** Of a delete that was applied: whether the document was there. */
  readonly found?: boolean | undefined;
  /** Of a change that was applied: the document's version after it. */
  readonly version?: number | undefined;
  /** Whether the journal, if there is one, keeps the operation for the next start. */
  readonly staysInJournal?: boolean;
}

/** Who is told how operations ended: the call that added them, and the flush that they belong to. */
export interface Listener {
  /** `index` is the operation's place among those that this listener has counted. */
  ended(operation: Operation, index: number, ending: Ending): void;
}

/** A listener that made the operations: a call. */
export interface Caller extends Listener {
  /** Counts one more operation of this call, and gives its index. */
  add(): number;
  /** Told of each operation that was taken, if the call can be given up: it keeps what it would have to take back. */
  taken(operation: Operation): void;
  /** Whether failures count as errors here; false if the caller counts them. */
  readonly countsFailures: boolean;
}

/** A listener that gathers all operations of a flush. */
export interface Flush extends Listener {
  add(count?: number): number;
  /** Somebody waits for the result, so its operations are sent without waiting for more. */
  readonly claimed: boolean;
}

/**
 * Where an operation is. `new`: not in the queue yet. `blocked`: an earlier one of its id is not settled. `ready`:
 * in its lane. `sent`: in a group that is executed or looked up, alone or merged. `resending`: in a group that was
 * certainly not applied and waits to be sent again. `settled`: its outcome is known. `WriteQueue` moves it.
 */
export type OperationState = "new" | "blocked" | "ready" | "sent" | "resending" | "settled";

/** A queued write: what `execute` sees, and what the processor keeps with it. */
export class Operation implements BatchOperation {
  readonly kind: WriteKind;
  readonly collection: string;
  readonly id: string;
  readonly json: string;
  readonly document: unknown;
  readonly bytes: number;
  readonly change: DocumentChange | undefined;
  /** The next operation of the same id. */
  next: Operation | undefined = undefined;
  state: OperationState = "new";
  /** What `Tails` finds it by, and the operation below it there. */
  hash = 0;
  below: Operation | undefined = undefined;
  /** Whether it has a place in the processor's room. */
  held = false;
  /** Rises with the order in which operations were queued. */
  order = 0;
  /** Its number in the journal; 0 without one. */
  sequence = 0;
  queuedAtMs = 0;
  /** The most operations of a group that begins with this one. */
  groupLimit = 0;
  /** What it is sent as, together with operations behind it, while it is under way. */
  merged: MergedOperation | undefined = undefined;
  /** Not to be merged again: the result of the merged one did not tell how each ended. */
  alone = false;
  attempts = 0;
  /** The call that waits for it, if any, and its index there. */
  call: Caller | undefined = undefined;
  callIndex = 0;
  /** Why its caller no longer waits. It is not sent again. */
  givenUp: FormDBError | undefined = undefined;
  /** Runs what is done for it in its caller's asynchronous context. */
  context: ContextRunner | undefined = undefined;
  /** The flush that it belongs to, and its index there. */
  flush: Flush | undefined = undefined;
  flushIndex = 0;

  constructor(
    kind: WriteKind,
    collection: string,
    id: string,
    value: { readonly json: string; readonly document: unknown; readonly change?: DocumentChange },
  ) {
    const { json, document, change } = value;
    this.kind = kind;
    this.collection = collection;
    this.id = id;
    this.json = json;
    this.document = document;
    this.change = change;
    this.bytes = (change?.bytes ?? json.length) + id.length;
  }
}

/**
 * Several operations of one id that are sent as one. Its result says how each of them ended, or they are sent one
 * by one.
 */
export class MergedOperation implements BatchOperation {
  readonly kind: WriteKind;
  readonly collection: string;
  readonly id: string;
  readonly json: string;
  readonly document: unknown;
  readonly bytes: number;
  readonly change: DocumentChange | undefined;
  readonly parts: readonly Operation[];

  constructor(kind: WriteKind, parts: readonly Operation[], json: string, document: unknown) {
    const { collection, id, change } = parts[0]!;
    this.kind = kind;
    this.collection = collection;
    this.id = id;
    this.json = json;
    this.document = document;
    this.change = change;
    this.bytes = change === undefined ? json.length + id.length : bytesOf(parts);
    this.parts = parts;
  }
}

function bytesOf(operations: readonly Operation[]): number {
  return operations.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The operations that can be sent now as one kind on one collection, oldest first; of changes, those of one form. */
export class Lane {
  readonly kind: WriteKind;
  readonly collection: string;
  readonly ready: Operation[] = [];
  head = 0;
  /** If its operations are changes: takes it away where lanes of changes are kept. */
  readonly drop: (() => void) | undefined;

  constructor(kind: WriteKind, collection: string, drop?: () => void) {
    this.kind = kind;
    this.collection = collection;
    this.drop = drop;
  }
}

/** One write as a call gives it. `id` may be undefined if the document has one, or gets one. */
export interface Write {
  readonly kind: WriteKind;
  readonly collection: string;
  readonly id: unknown;
  readonly value: unknown;
  /** Of an update that is a change and no merge patch. `value` is left undefined then. */
  readonly change?: DocumentChange | undefined;
}

const NO_VALUE = { json: "", document: undefined };

/**
 * Checks and encodes one operation, once. An insert or upsert takes its id from `id`, else from the
 * document, else it is made. Throws `FORMDB_INVALID_DOCUMENT` or `FORMDB_INVALID_ID`.
 */
export function encodeOperation(write: Write, generateId: () => string): Operation {
  const { kind, collection, id, value, change } = write;
  if (change !== undefined) return new Operation(kind, collection, encodeId(id), { ...NO_VALUE, change });
  if (kind === "delete") return new Operation(kind, collection, encodeId(id), NO_VALUE);
  if (kind === "update" && value === undefined) {
    throw new FormDBError(
      "FORMDB_INVALID_DOCUMENT",
      "An update must have a patch, and this one has none: each of many is { id, document }, the patch being its document",
    );
  }
  const json = kind === "update" ? encodePatch(value) : encodeDocument(value);
  const own = ownId(value as object, json);
  if (id === undefined && kind !== "update") {
    const key = encodeId(own === undefined ? generateId() : own);
    return new Operation(kind, collection, key, { json, document: value });
  }
  const key = encodeId(id);
  if (own !== undefined && !isId(own, key)) {
    throw new FormDBError(
      "FORMDB_INVALID_ID",
      `The ${kind === "update" ? "patch" : "document"} for the id ${show(key)} must not have another id: ${show(own)}`,
      { details: { value: show(own) } },
    );
  }
  return new Operation(kind, collection, key, { json, document: value });
}

/** The operation for an item that is refused without being encoded. Its id is the one that was given, or empty. */
export function refusedOperation({ kind, collection, id, value }: Write): Operation {
  return new Operation(kind, collection, givenId(id, value) ?? "", NO_VALUE);
}

function givenId(id: unknown, value: unknown): string | undefined {
  try {
    const given =
      id ?? (typeof value === "object" && value !== null ? (value as { id?: unknown }).id : undefined);
    return typeof given === "string" || Number.isSafeInteger(given) ? String(given) : undefined;
  } catch {
    return undefined; // A getter may throw.
  }
}

/** The id that the JSON text has: an inherited one is not written, and `toJSON` may give another. */
export function ownId(document: object, json: string): unknown {
  const { id, toJSON } = document as { id?: unknown; toJSON?: unknown };
  if (typeof toJSON === "function") return (JSON.parse(json) as { id?: unknown }).id;
  if (id === undefined || !Object.hasOwn(document, "id")) return undefined;
  return typeof id === "function" || typeof id === "symbol" ? undefined : id;
}

function isId(own: unknown, key: string): boolean {
  return own === key || (Number.isSafeInteger(own) && String(own) === key);
}
