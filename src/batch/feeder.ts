import { FormDBError, messageOf } from "../base/errors.ts";
import type { WriteKind } from "../base/observer.ts";
import { configError, show } from "../base/options.ts";
import type { Tally } from "./calls.ts";
import type { ContextRunner } from "./group.ts";
import type { Intake } from "./intake.ts";
import { type Caller, encodeOperation, type Operation, refusedOperation, type Write } from "./operation.ts";
import type { Waiter } from "./room.ts";

/** How an element of what a call was given becomes an operation's id and value. */
export type ToItem = (element: unknown) => Pick<Write, "id" | "value" | "change">;

export const DOCUMENT: ToItem = (value) => ({ id: undefined, value });
export const ID: ToItem = (id) => ({ id, value: undefined });
export const ITEM: ToItem = (item) => item as ReturnType<ToItem>;
export const UPDATE: ToItem = (item) => {
  if (typeof item !== "object" || item === null) {
    throw new FormDBError(
      "FORMDB_INVALID_DOCUMENT",
      `An update must be an object { id, document }, not ${show(item)}`,
    );
  }
  const { id, document } = item as { id?: unknown; document?: unknown };
  return { id, value: document };
};

export const ITEM_OF: Readonly<Record<WriteKind, ToItem>> = {
  insert: DOCUMENT,
  update: UPDATE,
  upsert: DOCUMENT,
  delete: ID,
};

/** The items of a call that takes one or many. */
export function manyOf(items: unknown): Iterable<unknown> {
  if (typeof items !== "object" || items === null) return [items];
  return Symbol.iterator in items ? (items as Iterable<unknown>) : [items];
}

/** The items of a call that takes many. Throws `FORMDB_CONFIG` for what is no iterable. */
export function iterable(items: unknown): Iterable<unknown> {
  if (typeof items === "object" && items !== null && Symbol.iterator in items)
    return items as Iterable<unknown>;
  throw configError(
    `The operations of a batch must come in an array or another iterable, not ${show(items)}`,
  );
}

/** What a call adds. */
export interface Source {
  readonly kind: WriteKind;
  readonly collection: string;
  readonly items: Iterable<unknown>;
  readonly toItem: ToItem;
  /** The most operations of a group that begins with one of these, if it is more than the processor's. */
  readonly groupLimit: number;
}

/**
 * The adding of one call's operations: takes items from the call's iterable one by one, encodes them and hands
 * them on while there is room. An invalid item fails alone.
 */
export class Feeder implements Waiter {
  readonly #intake: Intake;
  readonly #source: Source;
  readonly #call: Caller | undefined;
  readonly #flush: Tally;
  readonly #items: Iterator<unknown>;
  readonly #isArray: boolean;
  /** Operations may be added later, when somebody else has made room. */
  readonly #context: ContextRunner | undefined;
  readonly #onDone: ((failure?: FormDBError) => void) | undefined;
  #flushIndex: number;
  /** Encoded, counted, and waiting for room. */
  #held: Operation | undefined;
  #ended = false;

  /** `onDone` is called once when all items have been taken, or with the error that ended the taking. */
  constructor(
    intake: Intake,
    source: Source,
    call: Caller | undefined,
    flush: Tally,
    onDone?: (failure?: FormDBError) => void,
  ) {
    const { items } = source;
    this.#intake = intake;
    this.#source = source;
    this.#call = call;
    this.#flush = flush;
    this.#onDone = onDone;
    // An array's length counts at the time of the call, so that its indices in the flush are the call's too.
    this.#isArray = Array.isArray(items);
    this.#items = Array.isArray(items) ? upTo(items, items.length) : items[Symbol.iterator]();
    this.#flushIndex = Array.isArray(items) ? flush.add(items.length) : 0;
    this.#context = intake.settings.captureContext();
    flush.open();
  }

  /** Adds until there is no more, or no more room. */
  feed(): "done" | "full" {
    while (!this.#ended) {
      const operation = this.#held ?? this.#next(encodeOperation);
      this.#held = undefined;
      if (operation === undefined) continue;
      if (!this.#intake.take(operation)) {
        this.#held = operation;
        return "full";
      }
    }
    return "done";
  }

  /** Fails what is left, without looking at its documents: there may be many, and they may be large. */
  refuseRest(error: FormDBError): void {
    this.#endWith(error, refusedOperation);
  }

  /** Fails what is left, as operations that can be queued again. */
  giveBack(error: FormDBError): void {
    this.#endWith(error, encodeOperation);
  }

  /** Each item of an array fails for itself. Another source may have no end, so it is only stopped. */
  #endWith(error: FormDBError, toOperation: typeof encodeOperation): void {
    if (this.#ended) return;
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#intake.refuse(held, error);
    if (!this.#isArray) {
      try {
        this.#items.return?.();
      } catch {
        // What a source's own clean-up throws is not for those who wait for its operations.
      }
      this.#end(error);
      return;
    }
    while (!this.#ended) {
      const operation = this.#next(toOperation);
      if (operation !== undefined) this.#intake.refuse(operation, error);
    }
  }

  #next(toOperation: typeof encodeOperation): Operation | undefined {
    const { kind, collection, toItem } = this.#source;
    let isEnd: boolean;
    let element: unknown;
    try {
      const step = this.#items.next();
      isEnd = step.done === true;
      element = isEnd ? undefined : step.value;
    } catch (cause) {
      const failure = sourceFailed(cause);
      if (this.#isArray) {
        const unread = refusedOperation({ kind, collection, id: undefined, value: undefined });
        this.#intake.refuse(this.#counted(unread), failure);
      } else this.#end(failure);
      return undefined;
    }
    // The source itself may have ended the call, by its signal.
    if (this.#ended) return undefined;
    if (isEnd) {
      this.#end();
      return undefined;
    }
    let write: Write = { kind, collection, id: undefined, value: element };
    try {
      const { id, value, change } = toItem(element);
      write = { kind, collection, id, value, change };
      return this.#counted(toOperation(write, this.#intake.settings.generateId));
    } catch (error) {
      this.#intake.refuse(this.#counted(refusedOperation(write)), asFormDBError(error));
      return undefined;
    }
  }

  #counted(operation: Operation): Operation {
    operation.call = this.#call;
    operation.callIndex = this.#call?.add() ?? 0;
    operation.flush = this.#flush;
    operation.flushIndex = this.#isArray ? this.#flushIndex++ : this.#flush.add();
    operation.groupLimit = this.#source.groupLimit;
    operation.context = this.#context;
    return operation;
  }

  #end(failure?: FormDBError): void {
    if (this.#ended) return;
    this.#ended = true;
    if (failure !== undefined && this.#onDone === undefined) {
      // Nobody is told of the call as a whole: what was left of its source counts as one failure of the flush.
      const { kind, collection } = this.#source;
      const rest = refusedOperation({ kind, collection, id: undefined, value: undefined });
      this.#intake.refuse(this.#counted(rest), failure);
    }
    this.#onDone?.(failure);
    this.#flush.close();
  }
}

/** The error for a source that has thrown as it was read. */
export function sourceFailed(cause: unknown): FormDBError {
  const message = `The source of the operations failed: ${messageOf(cause)}`;
  return new FormDBError("FORMDB_INVALID_DOCUMENT", message, { cause });
}

/** No generator, which an element that can't be read would end. */
export function upTo(items: readonly unknown[], length: number): Iterator<unknown, undefined> {
  let next = 0;
  return {
    next: () => (next < length ? { done: false, value: items[next++] } : { done: true, value: undefined }),
  };
}

/** A document's getters and `toJSON` may throw anything. */
export function asFormDBError(error: unknown): FormDBError {
  if (error instanceof FormDBError) return error;
  return new FormDBError("FORMDB_INVALID_DOCUMENT", `A document could not be read: ${messageOf(error)}`, {
    cause: error,
  });
}
