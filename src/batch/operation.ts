import { encodeDocument, encodeId } from "../base/document.ts";
import { type FailureOutcome, FormDBError } from "../base/errors.ts";
import type { WriteKind } from "../base/observer.ts";
import { show } from "../base/options.ts";
import type { ContextRunner } from "./batch-options.ts";
import type { MergedOperation } from "./coalesce.ts";
import type { BatchOperation } from "./group.ts";
import type { Tally } from "./tally.ts";
import type { Lane } from "./write-queue.ts";

/** Who is told how an operation ended. */
export interface Sink {
  readonly signal: AbortSignal | undefined;
  applied(operation: Operation, found: boolean | undefined): void;
  failed(
    index: number,
    id: string | undefined,
    error: FormDBError,
    outcome: FailureOutcome,
    attempts: number,
  ): void;
}

/**
 * Where an operation is. `blocked`: an earlier one of its id is not settled. `ready`: in its lane.
 * `sent`: in a group, alone or merged, from the first sending to the outcome, pauses included.
 */
export type OperationState = "new" | "blocked" | "ready" | "sent" | "settled";

/** A queued write: what `execute` sees, and what the processor keeps with it. */
export class Operation implements BatchOperation {
  readonly kind: WriteKind;
  readonly collection: string;
  readonly id: string;
  readonly json: string;
  readonly document: unknown;
  readonly bytes: number;
  /** The next operation of the same id. */
  next: Operation | undefined = undefined;
  state: OperationState = "new";
  lane: Lane | undefined = undefined;
  /** Rises with the order in which operations were queued. */
  order = 0;
  /** Its number in the journal, where there is one. */
  sequence = 0;
  queuedAtMs = 0;
  /** The most operations of a group that begins with this one. */
  groupLimit = 0;
  /** What it is sent as, together with operations behind it, while it is under way. */
  merged: MergedOperation | undefined = undefined;
  /** Not to be merged again: that told nothing. */
  alone = false;
  attempts = 0;
  /** The call that waits for it, if any, and its index there. */
  call: Sink | undefined = undefined;
  callIndex = 0;
  /** Runs what is done for it in its caller's asynchronous context. */
  context: ContextRunner | undefined = undefined;
  /** The flush that it belongs to, and its index there. */
  flush: Tally | undefined = undefined;
  flushIndex = 0;

  constructor(kind: WriteKind, collection: string, id: string, json: string, document: unknown) {
    this.kind = kind;
    this.collection = collection;
    this.id = id;
    this.json = json;
    this.document = document;
    this.bytes = json.length + id.length;
  }
}

/** What a call gives for one operation: an id where it is known apart from the document, and the value. */
export interface Item {
  readonly id: unknown;
  readonly value: unknown;
}

/**
 * Checks and encodes one operation, once. An insert or upsert takes its id from `id`, else from the
 * document, else it is made. Throws `FORMDB_INVALID_DOCUMENT` or `FORMDB_INVALID_ID`.
 */
export function encodeOperation(
  kind: WriteKind,
  collection: string,
  id: unknown,
  value: unknown,
  generateId: () => string,
): Operation {
  if (kind === "delete") return new Operation(kind, collection, encodeId(id), "", undefined);
  const json = encodeDocument(value);
  const own = ownId(value as object, json);
  if (id === undefined && kind !== "update") {
    return new Operation(kind, collection, own === undefined ? generateId() : encodeId(own), json, value);
  }
  const key = encodeId(id);
  if (own !== undefined && !isId(own, key)) {
    throw new FormDBError(
      "FORMDB_INVALID_ID",
      `The ${kind === "update" ? "patch" : "document"} for the id ${show(key)} must not have another id: ${show(own)}`,
      { details: { value: show(own) } },
    );
  }
  return new Operation(kind, collection, key, json, value);
}

/** The id that the JSON text has: an inherited one is not written, and `toJSON` may give another. */
function ownId(document: object, json: string): unknown {
  const { id, toJSON } = document as { id?: unknown; toJSON?: unknown };
  if (typeof toJSON === "function") return (JSON.parse(json) as { id?: unknown }).id;
  if (id === undefined || !Object.hasOwn(document, "id")) return undefined;
  return typeof id === "function" || typeof id === "symbol" ? undefined : id;
}

function isId(own: unknown, key: string): boolean {
  return own === key || (Number.isSafeInteger(own) && String(own) === key);
}
