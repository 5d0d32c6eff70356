import { FormDBError, messageOf } from "../base/errors.ts";
import type { Journal } from "../base/journal.ts";
import type { Operation } from "./operation.ts";

/** What the gate does with operations. */
export interface GateTarget {
  /** The operation is in the journal and can be sent. */
  pass(operation: Operation): void;
  /** The journal could not take it. */
  reject(operation: Operation, error: FormDBError): void;
  onError(error: FormDBError): void;
}

/**
 * Lets operations into the queue once the journal holds them. What comes while the journal writes is written together
 * next; the order stays.
 */
export class JournalGate {
  readonly #journal: Journal;
  readonly #target: GateTarget;
  #sequence: number;
  /** The highest sequence that the journal has taken. */
  #appended: number;
  #appending: Promise<void> | undefined;
  #arrived: Operation[] = [];
  #writing: Promise<void> | undefined;
  #settled: number[] = [];
  #settling = false;

  constructor(journal: Journal, target: GateTarget) {
    this.#journal = journal;
    this.#target = target;
    this.#sequence = journal.lastSequence;
    this.#appended = this.#sequence;
  }

  enter(operation: Operation): void {
    operation.sequence = ++this.#sequence;
    this.#arrived.push(operation);
    this.#writing ??= this.#write();
  }

  /** Resolves when all that has entered is durable, or was refused. */
  async durable(): Promise<void> {
    await this.#writing;
  }

  /** What the journal has not been given yet. It is given up. */
  abandon(): Operation[] {
    const left = this.#arrived.filter(isNew);
    this.#arrived = [];
    for (const operation of left) operation.sequence = 0;
    return left;
  }

  /** Forgets an operation that was not applied. No crash brings it back once this resolves. */
  async forget(sequence: number): Promise<void> {
    // It was taken back on its way into the journal.
    if (sequence > this.#appended) await this.#appending?.catch(() => {});
    if (sequence <= this.#appended) await this.#journal.forget([sequence]);
  }

  /** Forgets an operation, together with others of this tick. */
  settle(sequence: number): void {
    this.#settled.push(sequence);
    if (!this.#settling) void this.#settleAll();
  }

  async #write(): Promise<void> {
    await undefined;
    while (this.#arrived.length > 0) {
      const operations = this.#arrived.filter(isNew);
      this.#arrived = [];
      if (operations.length === 0) continue;
      try {
        this.#appending = this.#journal.append(
          operations.map(({ sequence, kind, collection, id, json }) => ({
            sequence,
            kind,
            collection,
            id,
            json,
          })),
        );
        await this.#appending;
        this.#appended = operations.at(-1)!.sequence;
        for (const operation of operations.filter(isNew)) this.#target.pass(operation);
      } catch (cause) {
        const error = new FormDBError(
          "FORMDB_ENGINE",
          `The journal could not take operations: ${messageOf(cause)}`,
          {
            cause,
          },
        );
        for (const operation of operations.filter(isNew)) {
          operation.sequence = 0;
          this.#target.reject(operation, error);
        }
      } finally {
        this.#appending = undefined;
      }
    }
    this.#writing = undefined;
  }

  async #settleAll(): Promise<void> {
    this.#settling = true;
    await undefined;
    while (this.#settled.length > 0) {
      const sequences = this.#settled;
      this.#settled = [];
      try {
        await this.#journal.settle(sequences);
      } catch (cause) {
        const message = `The journal could not forget ${sequences.length} operations: ${messageOf(cause)}`;
        this.#target.onError(new FormDBError("FORMDB_ENGINE", message, { cause }));
      }
    }
    this.#settling = false;
  }
}

/** Whether nobody has taken it back. */
function isNew({ state }: Operation): boolean {
  return state === "new";
}
