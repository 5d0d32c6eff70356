import type { FailureOutcome, FormDBError } from "../base/errors.ts";
import type { BatchError, BatchResult } from "./group.ts";
import type { Operation, Sink } from "./operation.ts";

/**
 * The count of a call's, or a flush's, operations: how many were added, how many ended, and how. It is complete
 * when all that was added has ended and nobody is still adding.
 */
export class Tally implements Sink {
  readonly signal: AbortSignal | undefined;
  /** Operations that are not settled, where the call has a signal to withdraw them by. */
  readonly pending: Set<Operation> | undefined;
  readonly #maxErrors: number;
  readonly #errors: BatchError[] = [];
  #added = 0;
  #successful = 0;
  #failed = 0;
  #adders = 0;
  #onComplete: (() => void) | undefined;
  /** Failures that nobody is told of unless somebody takes this tally's result. */
  unclaimed: FormDBError[] = [];
  unclaimedCount = 0;
  /** Whether anybody waits for the call's result. */
  readonly awaited: (() => boolean) | undefined;
  /** Whether its failures count as errors. */
  readonly counts: boolean;
  /** Somebody waits for the result, so that its operations are sent without waiting for more. */
  claimed = false;

  constructor(maxErrors: number, signal?: AbortSignal, awaited?: () => boolean, counts = true) {
    this.#maxErrors = maxErrors;
    this.counts = counts;
    this.awaited = awaited;
    this.signal = signal;
    this.pending = signal === undefined ? undefined : new Set();
  }

  /** The index of the first of so many more operations. */
  add(count = 1): number {
    const first = this.#added;
    this.#added += count;
    return first;
  }

  open(): void {
    this.#adders++;
  }

  close(): void {
    this.#adders--;
    this.#check();
  }

  applied(operation: Operation): void {
    this.#successful++;
    this.pending?.delete(operation);
    this.#check();
  }

  failed(
    index: number,
    id: string | undefined,
    error: FormDBError,
    outcome: FailureOutcome,
    attempts: number,
  ): void {
    this.#failed++;
    if (this.#errors.length < this.#maxErrors) {
      const { code, message } = error;
      this.#errors.push(
        id === undefined
          ? { index, error: message, code, attempts, outcome }
          : { index, error: message, code, id, attempts, outcome },
      );
    }
    this.#check();
  }

  get complete(): boolean {
    return this.#adders === 0 && this.#successful + this.#failed === this.#added;
  }

  /** Resolves when the tally is complete. May be called once. */
  whenComplete(): Promise<BatchResult> {
    if (this.complete) return Promise.resolve(this.result());
    return new Promise((resolve) => {
      this.#onComplete = () => resolve(this.result());
    });
  }

  result(): BatchResult {
    return {
      successful: this.#successful,
      failed: this.#failed,
      errors: this.#errors.toSorted((a, b) => a.index - b.index),
    };
  }

  #check(): void {
    if (this.#onComplete === undefined || !this.complete) return;
    const done = this.#onComplete;
    this.#onComplete = undefined;
    done();
  }
}
