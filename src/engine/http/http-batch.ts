import { type CallOptions, NO_BOUNDS, TimeOfParts } from "../../base/abort.ts";
import { systemClock } from "../../base/clock.ts";
import { FormDBError, noteDetail } from "../../base/errors.ts";
import type { WriteKind } from "../../base/observer.ts";
import { asFormDBError, ITEM_OF, sourceFailed, upTo } from "../../batch/feeder.ts";
import type { BatchError, BatchResult } from "../../batch/group.ts";
import { encodeOperation, refusedOperation, type Write } from "../../batch/operation.ts";
import { MAX_ERRORS } from "../import.ts";
import { type HttpClient, isOfTheRequest, type Request } from "./http-client.ts";
import type { WritesInOrder } from "./writes-in-order.ts";

/** What one request holds: a part of what a server takes in a body. */
const MAX_ROWS = 1_000;
const MAX_BYTES = 4 * 1024 * 1024;

const METHODS: Readonly<Record<WriteKind, Request["method"]>> = {
  insert: "POST",
  update: "PATCH",
  upsert: "PUT",
  delete: "DELETE",
};

/** One write as it is sent. */
export interface Encoded {
  /** Its document or patch; empty for a delete. */
  readonly json: string;
  readonly id: string;
  /** Whether the id was made here, for this document alone. */
  readonly isOwnId: boolean;
}

interface Item extends Encoded {
  readonly index: number;
}

/**
 * Checks a write as the queue of a database does. A document that has no id gets one here, so that sending it again can't
 * insert it twice.
 */
export function encodeWrite(write: Write, makeId: () => string): Encoded {
  let isOwnId = false;
  const { id, json } = encodeOperation(write, () => {
    isOwnId = true;
    return makeId();
  });
  if (!isOwnId) return { json, id, isOwnId };
  return { json: `{"id":${JSON.stringify(id)}${json === "{}" ? "}" : `,${json.slice(1)}`}`, id, isOwnId };
}

/** A write as an element of a request's array. */
function elementOf(kind: WriteKind, { id, json }: Encoded): string {
  if (kind === "insert" || kind === "upsert") return json;
  const key = JSON.stringify(id);
  return kind === "delete" ? key : `{"id":${key},"document":${json}}`;
}

export interface BatchTools {
  readonly client: HttpClient;
  readonly order: WritesInOrder;
  readonly makeId: () => string;
}

/** Many writes of one kind, in requests of a limited size, one after the other. What can't be sent fails alone. */
export async function writeBatch(
  { client, order, makeId }: BatchTools,
  write: {
    readonly what: string;
    readonly kind: WriteKind;
    readonly path: string;
    readonly collection: string;
  },
  items: Iterable<unknown>,
  options: CallOptions = NO_BOUNDS,
): Promise<BatchResult> {
  const { what, kind, path, collection } = write;
  const time = new TimeOfParts(what, options, systemClock);
  const result = new Result();
  const send = async (chunk: readonly Item[]): Promise<void> => {
    let isInDoubt = false;
    const request = (left: CallOptions | undefined): Request => ({
      what,
      method: METHODS[kind],
      path,
      body: `[${chunk.map(({ json }) => json).join(",")}]`,
      isRepeatable: kind === "upsert" || kind === "update" || chunk.every(({ isOwnId }) => isOwnId),
      isWrite: true,
      onDoubt: () => {
        isInDoubt = true;
      },
      options: left,
    });
    try {
      const ids = chunk.map(({ id }) => id);
      const ordered = { what, collection, ids, options: time.next() };
      const answer = await order.run(ordered, (left) => client.json<BatchResult>(request(left)));
      result.add(chunk, answer, isInDoubt);
    } catch (thrown) {
      const error = time.errorOf(thrown);
      if (!(error instanceof FormDBError)) throw error;
      for (const item of chunk) result.fail(item, error);
    }
  };
  let chunk: Item[] = [];
  let bytes = 0;
  let failure: FormDBError | undefined;
  const isArray = Array.isArray(items);
  const source = isArray ? upTo(items, items.length) : items[Symbol.iterator]();
  for (let index = 0; ; index++) {
    let element: unknown;
    let isEnd: boolean;
    let unread: FormDBError | undefined;
    try {
      const step = source.next();
      isEnd = step.done === true;
      element = isEnd ? undefined : step.value;
    } catch (cause) {
      unread = sourceFailed(cause);
      isEnd = !isArray;
    }
    if (isEnd) {
      failure = unread;
      break;
    }
    let write: Write = { kind, collection, id: undefined, value: element };
    let item: Item;
    try {
      if (unread !== undefined) throw unread;
      write = { ...write, ...ITEM_OF[kind](element) };
      const encoded = encodeWrite(write, makeId);
      item = { ...encoded, json: elementOf(kind, encoded), index };
    } catch (error) {
      const id = refusedOperation(write).id || undefined;
      result.fail({ index, id }, asFormDBError(error));
      continue;
    }
    const itemBytes = Buffer.byteLength(item.json);
    if (chunk.length >= MAX_ROWS || (chunk.length > 0 && bytes + itemBytes > MAX_BYTES)) {
      await send(chunk);
      chunk = [];
      bytes = 0;
    }
    chunk.push(item);
    bytes += itemBytes;
  }
  if (chunk.length > 0) await send(chunk);
  if (failure === undefined) return result.whole();
  throw noteDetail(failure, "result", result.whole());
}

class Result {
  readonly #errors: BatchError[] = [];
  #successful = 0;
  #failed = 0;

  /** `isInDoubt` if an earlier sending may have done what the answer says was refused. */
  add(chunk: readonly Item[], { successful, failed, errors }: BatchResult, isInDoubt: boolean): void {
    // An id that was made here is taken only by an earlier sending of the same document.
    const real = errors.filter(({ index, code }) => code !== "FORMDB_DUPLICATE_ID" || !chunk[index]!.isOwnId);
    this.#successful += successful + (errors.length - real.length);
    this.#failed += failed - (errors.length - real.length);
    for (const error of real) {
      const outcome = isInDoubt && !isOfTheRequest(error.code) ? "unknown" : error.outcome;
      this.#keep({ ...error, index: chunk[error.index]!.index, outcome });
    }
  }

  fail(
    { index, id }: { readonly index: number; readonly id?: string | undefined },
    error: FormDBError,
  ): void {
    const { code, message, outcome, attempts } = error;
    this.#failed++;
    this.#keep({
      index,
      error: message,
      code,
      ...(id === undefined ? {} : { id }),
      attempts: typeof attempts === "number" ? attempts : 0,
      outcome: outcome === "unknown" ? "unknown" : "rejected",
    });
  }

  whole(): BatchResult {
    const errors = this.#errors.toSorted((a, b) => a.index - b.index);
    return { successful: this.#successful, failed: this.#failed, errors };
  }

  #keep(error: BatchError): void {
    if (this.#errors.length < MAX_ERRORS) this.#errors.push(error);
  }
}
