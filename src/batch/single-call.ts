import { type FailureOutcome, FormDBError } from "../base/errors.ts";
import type { Operation, Sink } from "./operation.ts";

/** How a single operation ended well. */
export interface Submitted {
  readonly id: string;
  /** For a delete: whether the document was there. */
  readonly found?: boolean;
}

/** The promise of one operation: rejects with the operation's own error. */
export class SingleCall implements Sink {
  readonly signal: AbortSignal | undefined;
  readonly promise: Promise<Submitted>;
  #resolve!: (submitted: Submitted) => void;
  #reject!: (error: FormDBError) => void;
  /** The operation once it is in the queue, where the call has a signal. */
  operation: Operation | undefined;
  /** Called once, when the promise settles. */
  onSettled: (() => void) | undefined;

  constructor(signal: AbortSignal | undefined) {
    this.signal = signal;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  applied({ id }: Operation, found: boolean | undefined): void {
    this.#resolve(found === undefined ? { id } : { id, found });
    this.onSettled?.();
  }

  failed(
    _index: number,
    _id: string | undefined,
    error: FormDBError,
    outcome: FailureOutcome,
    attempts: number,
  ): void {
    this.#reject(withOutcome(error, outcome, attempts));
    this.onSettled?.();
  }
}

/**
 * Says on the error itself what became of the write. An error is shared by the operations of a failed group,
 * whose outcome is the same. One that says otherwise, such as that of a lost connection after the database has
 * told that nothing was committed, becomes the cause of one that says what is so.
 */
function withOutcome(error: FormDBError, outcome: FailureOutcome, attempts: number): FormDBError {
  const said = error.outcome;
  if (said !== undefined && said !== outcome) {
    const { code, message } = error;
    const retryable = outcome === "rejected";
    return new FormDBError(code, message, { cause: error, retryable, details: { outcome, attempts } });
  }
  if (said === undefined) Object.defineProperty(error, "outcome", { value: outcome, enumerable: true });
  if (!("attempts" in error)) Object.defineProperty(error, "attempts", { value: attempts, enumerable: true });
  return error;
}
