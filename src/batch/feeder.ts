import { FormDBError, messageOf } from "../base/errors.ts";
import type { WriteKind } from "../base/observer.ts";
import type { ContextRunner } from "./batch-options.ts";
import { encodeOperation, type Item, type Operation, type Sink } from "./operation.ts";
import type { Tally } from "./tally.ts";

/** How a feeder's turn ended. */
export type Fed = "done" | "full";

/** What a feeder needs of the processor. */
export interface Intake {
  readonly generateId: () => string;
  readonly captureContext: () => ContextRunner | undefined;
  /** Queues the operation if there is room for it. */
  accept(operation: Operation): boolean;
  /** Fails an operation for which there was no room. */
  turnAway(operation: Operation, error: FormDBError): void;
  /** Counts an item that is no operation. */
  refuse(feeder: Feeder, id: string | undefined, error: FormDBError): void;
}

/**
 * The adding of one call's operations: takes items from the call's iterable one by one, encodes them and hands
 * them on while there is room. An invalid item fails alone.
 */
export class Feeder {
  readonly kind: WriteKind;
  readonly collection: string;
  readonly call: (Sink & { add?(): number }) | undefined;
  readonly flush: Tally;
  readonly groupLimit: number;
  readonly #items: Iterator<unknown>;
  readonly #toItem: (item: unknown) => Item;
  readonly #intake: Intake;
  readonly #finite: boolean;
  readonly #context: ContextRunner | undefined;
  #flushIndex: number;
  /** Encoded, counted, and waiting for room. */
  #held: Operation | undefined;
  #ended = false;
  /** Called once when all items have been taken, or with the error that ended the taking. */
  onDone: ((error?: FormDBError) => void) | undefined;

  constructor(
    intake: Intake,
    kind: WriteKind,
    collection: string,
    items: Iterable<unknown>,
    toItem: (item: unknown) => Item,
    call: (Sink & { add?(): number }) | undefined,
    flush: Tally,
    groupLimit: number,
  ) {
    this.#intake = intake;
    this.kind = kind;
    this.collection = collection;
    // An array's length counts at the time of the call, so that its indices in the flush are the call's too.
    this.#finite = Array.isArray(items);
    this.#items = Array.isArray(items) ? upTo(items, items.length) : items[Symbol.iterator]();
    this.#flushIndex = Array.isArray(items) ? flush.add(items.length) : 0;
    this.#toItem = toItem;
    // Operations may be added later, when somebody else has made room.
    this.#context = intake.captureContext();
    this.call = call;
    this.flush = flush;
    this.groupLimit = groupLimit;
    flush.open();
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Adds until there is no more, or no more room. */
  feed(): Fed {
    while (!this.#ended) {
      const operation = this.#held ?? this.#next();
      this.#held = undefined;
      if (operation === undefined) continue;
      if (!this.#intake.accept(operation)) {
        this.#held = operation;
        return "full";
      }
    }
    return "done";
  }

  /** Ends the adding: what was taken and found no room fails, the rest stays with the caller. */
  stop(error: FormDBError): void {
    if (this.#ended) return;
    this.#failHeld(error);
    try {
      this.#items.return?.();
    } catch {
      // The source's own clean-up is the source's affair.
    }
    this.#end(error);
  }

  /**
   * Fails all that is left of an array, each item for itself; another source may have no end, so that it is
   * only stopped. `onEach` gets what was valid.
   */
  refuseRest(error: FormDBError, onEach?: (operation: Operation) => void): void {
    if (this.#held !== undefined) onEach?.(this.#held);
    if (!this.#finite) {
      this.stop(error);
      return;
    }
    this.#failHeld(error);
    while (!this.#ended) {
      const operation = this.#next();
      if (operation === undefined) continue;
      onEach?.(operation);
      this.#fail(operation, error);
    }
  }

  /** The index in the flush of the item that was taken last; to be asked for once an item. */
  nextFlushIndex(): number {
    return this.#finite ? this.#flushIndex++ : this.flush.add(1);
  }

  #next(): Operation | undefined {
    let step: IteratorResult<unknown>;
    try {
      step = this.#items.next();
    } catch (cause) {
      this.#end(
        new FormDBError(
          "FORMDB_INVALID_DOCUMENT",
          `The source of the operations failed: ${messageOf(cause)}`,
          { cause },
        ),
      );
      return undefined;
    }
    if (step.done === true) {
      this.#end();
      return undefined;
    }
    let id: unknown;
    try {
      const item = this.#toItem(step.value);
      id = item.id;
      const operation = encodeOperation(this.kind, this.collection, id, item.value, this.#intake.generateId);
      operation.call = this.call;
      operation.flush = this.flush;
      operation.callIndex = this.call?.add?.() ?? 0;
      operation.flushIndex = this.nextFlushIndex();
      operation.groupLimit = this.groupLimit;
      operation.context = this.#context;
      return operation;
    } catch (error) {
      this.#intake.refuse(this, givenId(id, step.value), asFormDBError(error));
      return undefined;
    }
  }

  #failHeld(error: FormDBError): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#fail(held, error);
  }

  #fail(operation: Operation, error: FormDBError): void {
    operation.state = "settled";
    this.#intake.turnAway(operation, error);
  }

  #end(error?: FormDBError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.onDone?.(error);
    this.flush.close();
  }
}

function* upTo(items: readonly unknown[], length: number): Generator<unknown, undefined> {
  for (let i = 0; i < length; i++) yield items[i];
}

function givenId(id: unknown, value: unknown): string | undefined {
  const given =
    id ?? (typeof value === "object" && value !== null ? (value as { id?: unknown }).id : undefined);
  return typeof given === "string" || Number.isSafeInteger(given) ? String(given) : undefined;
}

/** A document's getters and `toJSON` may throw anything. */
function asFormDBError(error: unknown): FormDBError {
  if (error instanceof FormDBError) return error;
  return new FormDBError("FORMDB_INVALID_DOCUMENT", `A document could not be read: ${messageOf(error)}`, {
    cause: error,
  });
}
