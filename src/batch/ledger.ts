import { FormDBError, messageOf } from "../base/errors.ts";
import type { BatchSettings } from "./batch-options.ts";
import { Tally, unknownAfter } from "./calls.ts";
import type { UndeliveredOperation } from "./group.ts";
import type { JournalWriter } from "./journal-writer.ts";
import type { Ending, Operation } from "./operation.ts";
import { Room } from "./room.ts";
import type { WriteQueue } from "./write-queue.ts";

/** The most errors that a report of uncollected failures lists. */
const MAX_LISTED = 10;

/** What a ledger keeps the account of. */
export interface LedgerParts {
  readonly queue: WriteQueue;
  /** Undefined without a `spill`. */
  readonly journal: JournalWriter | undefined;
  /** Told when a place has come free other than by the end of a group. */
  readonly onRoom: () => void;
}

/**
 * The account of a processor: what it holds, how each operation ended, and who is told. Every operation ends here,
 * once, by `settle`: whatever it was, wherever it is, and whoever found out.
 */
export class Ledger {
  readonly room: Room;
  readonly #settings: BatchSettings;
  readonly #queue: WriteQueue;
  readonly #journal: JournalWriter | undefined;
  readonly #onRoom: () => void;
  /** The operations added since the last flush. */
  flush: Tally;
  successful = 0;
  failed = 0;
  /** Failures since the last flush of operations whose call returned nothing: they and their number. */
  #uncollected: FormDBError[] = [];
  #uncollectedCount = 0;
  /** While closing gives up: operations that did not fail for a reason of their own. */
  #handedBack: Operation[] | undefined;
  readonly #forgetting: Set<Promise<void>> = new Set();

  constructor(settings: BatchSettings, { queue, journal, onRoom }: LedgerParts) {
    this.#settings = settings;
    this.#queue = queue;
    this.#journal = journal;
    this.#onRoom = onRoom;
    this.room = new Room(settings);
    this.flush = new Tally(settings);
  }

  /** Ends the flush that is being gathered, for somebody who waits for its result, and begins the next. */
  claim(): Tally {
    const tally = this.flush;
    tally.claimed = true;
    this.flush = new Tally(this.#settings);
    this.#uncollected = [];
    this.#uncollectedCount = 0;
    return tally;
  }

  /**
   * Settles an operation: it leaves the queue, its place comes free, the journal, its call and its flush are told,
   * and it is counted.
   */
  settle(operation: Operation, ending: Ending): void {
    this.#queue.remove(operation);
    const { sequence } = operation;
    if (sequence === 0) this.#tell(operation, ending);
    else if (ending.outcome === "rejected")
      this.#forgetThen(operation, ending.error!, (told) => this.#tell(operation, told));
    else {
      this.#tell(operation, ending);
      if (ending.staysInJournal !== true) this.#journal!.settle(sequence);
    }
  }

  /**
   * Its caller waits no longer. What was not sent is taken back; of what was sent the caller is told that nobody
   * knows.
   */
  giveUp(operation: Operation, error: FormDBError): void {
    const { state, call, callIndex } = operation;
    if (state === "settled") return;
    operation.givenUp = error;
    if (state !== "sent" && state !== "resending") {
      this.settle(operation, { outcome: "rejected", error });
      this.#onRoom();
      return;
    }
    if (call === undefined) return;
    operation.call = undefined;
    const tell = (ending: Ending): void => {
      if (call.countsFailures) this.#count(ending.error!);
      call.ended(operation, callIndex, ending);
    };
    if (state === "sent") tell({ outcome: "unknown", error: unknownAfter(error) });
    else if (operation.sequence === 0) tell({ outcome: "rejected", error });
    else this.#forgetThen(operation, error, tell);
  }

  /** From now on collects what did not fail for a reason of its own, to be queued again elsewhere. */
  beginHandingBack(): void {
    this.#handedBack = [];
  }

  /**
   * Ends that. Resolves to what was collected, once the journal has forgotten it: whoever gets it may queue it
   * elsewhere.
   */
  async endHandingBack(): Promise<readonly UndeliveredOperation[]> {
    while (this.#forgetting.size > 0) await Promise.all(this.#forgetting);
    // What the journal had to forget was told later than what came after it.
    const handedBack = this.#handedBack!.sort((a, b) => placeOf(a) - placeOf(b));
    this.#handedBack = undefined;
    return handedBack.map(({ kind, collection, id, json }) => ({
      kind,
      collection,
      id,
      // The caller's object may be another document by now.
      document: json === "" ? undefined : (JSON.parse(json) as unknown),
    }));
  }

  /** Reports failures that nobody was told of: their call returned nothing, and no flush has come for them. */
  reportUncollected(): void {
    const count = this.#uncollectedCount;
    if (count === 0) return;
    const errors = this.#uncollected;
    this.#uncollected = [];
    this.#uncollectedCount = 0;
    this.#settings.observer.unawaited(count);
    const first = errors[0]!;
    const others = count === 1 ? "" : `, and ${count - 1} more`;
    this.#settings.onError(
      new FormDBError(
        first.code,
        `A queued write failed, and no flush collected the failure: ${first.message}${others}`,
        {
          cause: first,
          details: { failed: count, errors },
        },
      ),
    );
  }

  /** Whoever is told that a write was rejected may rely on it: no crash from then on brings it back. */
  #forgetThen({ sequence }: Operation, error: FormDBError, tell: (ending: Ending) => void): void {
    const forgetting = this.#journal!.forget(sequence)
      .then(
        () => tell({ outcome: "rejected", error }),
        (cause: unknown) => {
          tell({ outcome: "unknown", error: notForgotten(error, cause) });
          this.#journal!.settle(sequence);
        },
      )
      .then(() => {
        this.#forgetting.delete(forgetting);
        this.#onRoom();
      });
    this.#forgetting.add(forgetting);
  }

  #tell(operation: Operation, ending: Ending): void {
    const { kind, call, flush } = operation;
    const { outcome, error } = ending;
    if (operation.held) {
      operation.held = false;
      this.room.free(operation.bytes);
    }
    this.#settings.observer.settled(kind, outcome);
    if (error === undefined) this.successful++;
    else {
      this.failed++;
      this.#noteFailure(operation, outcome, error);
    }
    call?.ended(operation, operation.callIndex, ending);
    flush!.ended(operation, operation.flushIndex, ending);
  }

  #noteFailure(operation: Operation, outcome: string, error: FormDBError): void {
    const { call, flush, givenUp, change } = operation;
    // One that was given up, and has no call any more, was counted when its caller was told.
    if (call === undefined && givenUp !== undefined) return;
    // A change is of no use to another database, and whoever made it waits for it.
    if (outcome === "rejected" && givenUp === undefined && change === undefined && isUndelivered(error))
      this.#handedBack?.push(operation);
    if (call?.countsFailures !== false) this.#count(error);
    if (call !== undefined || flush!.claimed) return;
    this.#uncollectedCount++;
    if (this.#uncollected.length < MAX_LISTED) this.#uncollected.push(error);
  }

  #count({ code, sqlstate }: FormDBError): void {
    this.#settings.observer.failed(code, typeof sqlstate === "string" ? sqlstate : "");
  }
}

function notForgotten(error: FormDBError, cause: unknown): FormDBError {
  const why = cause === undefined ? "for no reason given" : messageOf(cause);
  return new FormDBError(
    error.code,
    `${error.message}. The journal could not forget the write, so it may still be made after a crash: ${why}`,
    { cause: error, retryable: false, details: { outcome: "unknown" } },
  );
}

/** Its place among what is handed back: behind all that was queued if it never was. */
function placeOf({ order }: Operation): number {
  return order === 0 ? Number.MAX_SAFE_INTEGER : order;
}

/** Whether a rejection is due to the closing and not to the operation. */
function isUndelivered(error: FormDBError): boolean {
  return error.retryable || error.code === "FORMDB_ABORTED" || error.code === "FORMDB_CLOSED";
}
