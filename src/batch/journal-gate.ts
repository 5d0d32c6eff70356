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
  #arrived: Operation[] = [];
  #writing: Promise<void> | undefined;
  #settled: number[] = [];
  #settling = false;

  constructor(journal: Journal, target: GateTarget) {
    this.#journal = journal;
    this.#target = target;
    this.#sequence = journal.lastSequence;
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

  /** What has not been passed on. It is given up. */
  abandon(): Operation[] {
    const left = this.#arrived;
    this.#arrived = [];
    return left;
  }

  /** Forgets an operation, together with others of this tick. */
  settle(sequence: number): void {
    this.#settled.push(sequence);
    if (!this.#settling) void this.#forget();
  }

  async #write(): Promise<void> {
    await undefined;
    while (this.#arrived.length > 0) {
      const operations = this.#arrived;
      this.#arrived = [];
      try {
        await this.#journal.append(
          operations.map(({ sequence, kind, collection, id, json }) => ({
            sequence,
            kind,
            collection,
            id,
            json,
          })),
        );
        for (const operation of operations) if (operation.state === "new") this.#target.pass(operation);
      } catch (cause) {
        const error = new FormDBError(
          "FORMDB_ENGINE",
          `The journal could not take operations: ${messageOf(cause)}`,
          {
            cause,
          },
        );
        for (const operation of operations)
          if (operation.state === "new") this.#target.reject(operation, error);
      }
    }
    this.#writing = undefined;
  }

  async #forget(): Promise<void> {
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
