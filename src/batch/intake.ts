import type { FormDBError } from "../base/errors.ts";
import type { BatchSettings } from "./batch-options.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { JournalWriter } from "./journal-writer.ts";
import type { Ledger } from "./ledger.ts";
import type { Operation } from "./operation.ts";
import type { Waiter } from "./room.ts";

/** Where operations go that are let in. */
export interface IntakeParts {
  readonly ledger: Ledger;
  readonly dispatcher: Dispatcher;
  /** Undefined without a `spill`. */
  readonly journal: JournalWriter | undefined;
}

/** Lets operations in as there is room: into the journal, if there is one, and from there into the queue. */
export class Intake {
  readonly settings: BatchSettings;
  readonly #ledger: Ledger;
  readonly #dispatcher: Dispatcher;
  readonly #journal: JournalWriter | undefined;
  /** On their way into the journal. What comes while it writes is written together next, in order. */
  #arrived: Operation[] = [];
  #writing: Promise<void> | undefined;
  /** Told when what has arrived by now is written: others may go on to write for ever. */
  #onWritten: (() => void)[] = [];

  constructor(settings: BatchSettings, { ledger, dispatcher, journal }: IntakeParts) {
    this.settings = settings;
    this.#ledger = ledger;
    this.#dispatcher = dispatcher;
    this.#journal = journal;
  }

  /** Takes an operation if there is a place for it. */
  take(operation: Operation): boolean {
    const { room } = this.#ledger;
    if (!room.hasPlaceFor(operation.bytes)) return false;
    room.take(operation.bytes);
    operation.held = true;
    this.settings.observer.queued(operation.kind, operation.bytes);
    operation.call?.taken(operation);
    if (this.#journal === undefined) this.#enqueue(operation);
    else {
      this.#journal.number(operation);
      this.#arrived.push(operation);
      this.#writing ??= this.#write(this.#journal);
    }
    return true;
  }

  /** Lets a call add its operations, now or in its turn. False if the line of those who wait is full. */
  start(waiter: Waiter): boolean {
    const { room } = this.#ledger;
    if (room.lineIsFull && room.mustWait) return false;
    // A queue that is full is sent without waiting for more.
    if (!room.start(waiter, true)) this.#dispatcher.trigger("size");
    return true;
  }

  /** Lets a call add what there is room for, now. False if that was not all. */
  addNow(waiter: Waiter): boolean {
    const hasAddedAll = this.#ledger.room.start(waiter, false);
    if (!hasAddedAll) this.#dispatcher.trigger("size");
    return hasAddedAll;
  }

  /** Takes a call out of the line that waits for room no longer. Those behind it may find some. */
  leave(waiter: Waiter): void {
    if (this.#ledger.room.leave(waiter)) this.#dispatcher.admit();
  }

  /** Fails an operation that was not taken, or could not be made. */
  refuse(operation: Operation, error: FormDBError): void {
    this.#ledger.settle(operation, { outcome: "rejected", error });
  }

  /** Queues an operation that the journal holds already. */
  restore(operation: Operation): void {
    const { flush, room } = this.#ledger;
    operation.flush = flush;
    operation.flushIndex = flush.add();
    operation.held = true;
    room.take(operation.bytes);
    this.#enqueue(operation);
  }

  /** Resolves when the journal holds, or has refused, all that was taken before. */
  async durable(): Promise<void> {
    if (this.#writing === undefined) return;
    await new Promise<void>((resolve) => this.#onWritten.push(resolve));
  }

  /** Takes back what the journal has not been given yet. */
  abandon(): Operation[] {
    const left = this.#arrived.filter(isNew);
    this.#arrived = [];
    for (const operation of left) operation.sequence = 0;
    return left;
  }

  async #write(journal: JournalWriter): Promise<void> {
    await undefined;
    while (this.#arrived.length > 0) {
      const operations = this.#arrived.filter(isNew);
      const told = this.#onWritten;
      this.#arrived = [];
      this.#onWritten = [];
      if (operations.length > 0) await this.#append(journal, operations);
      for (const tell of told) tell();
    }
    this.#writing = undefined;
    for (const tell of this.#onWritten.splice(0)) tell();
  }

  async #append(journal: JournalWriter, operations: readonly Operation[]): Promise<void> {
    try {
      await journal.append(operations);
    } catch (error) {
      for (const operation of operations.filter(isNew)) {
        operation.sequence = 0;
        this.refuse(operation, error as FormDBError);
      }
      this.#dispatcher.admit();
      return;
    }
    for (const operation of operations.filter(isNew)) this.#enqueue(operation);
  }

  #enqueue(operation: Operation): void {
    this.#dispatcher.add(operation, operation.flush!.claimed);
  }
}

/** Whether nobody has taken it back. */
function isNew({ state }: Operation): boolean {
  return state === "new";
}
