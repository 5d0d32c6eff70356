import { abortedError, type CallOptions, timeoutError } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { type FailureOutcome, FormDBError } from "../base/errors.ts";
import type { BatchError, BatchResult } from "./group.ts";
import type { Caller, Ending, Flush, Operation } from "./operation.ts";

/** The call of one operation: a promise of how it ended. */
export class SingleCall implements Caller {
  readonly countsFailures: boolean;
  readonly ending: Promise<Ending>;
  #resolve!: (ending: Ending) => void;
  /** The operation once it is taken. */
  operation: Operation | undefined;
  id = "";
  attempts = 0;

  constructor(countsFailures: boolean) {
    this.countsFailures = countsFailures;
    this.ending = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  add(): number {
    return 0;
  }

  taken(operation: Operation): void {
    this.operation = operation;
  }

  ended({ id, attempts }: Operation, _index: number, ending: Ending): void {
    this.id = id;
    this.attempts = attempts;
    this.#resolve(ending);
  }
}

/** How a tally counts. */
export interface TallyOptions {
  /** The most failures with the outcome `rejected` that the result lists. */
  readonly maxErrors: number;
  /** Whether its call can be given up, so that the operations that are not settled have to be known. */
  readonly canBeGivenUp?: boolean;
  readonly countsFailures?: boolean;
}

/**
 * The count of a call's, or a flush's, operations: how many were added, how many ended, and how. It is complete
 * when all that was added has ended and nobody is still adding.
 */
export class Tally implements Caller, Flush {
  readonly countsFailures: boolean;
  readonly #maxErrors: number;
  readonly #pending: Set<Operation> | undefined;
  readonly #unknown: BatchError[] = [];
  readonly #rejected: BatchError[] = [];
  #added = 0;
  #successful = 0;
  #failed = 0;
  #adders = 0;
  #failure: FormDBError | undefined;
  #onComplete: (() => void) | undefined;
  claimed = false;

  constructor({ maxErrors, canBeGivenUp = false, countsFailures = true }: TallyOptions) {
    this.#maxErrors = maxErrors;
    this.#pending = canBeGivenUp ? new Set() : undefined;
    this.countsFailures = countsFailures;
  }

  /** Counts operations that are added, and gives the index of the first. */
  add(count = 1): number {
    const first = this.#added;
    this.#added += count;
    return first;
  }

  /** Somebody begins to add. */
  open(): void {
    this.#adders++;
  }

  /** Somebody has added all, or could not: `failure` says why. */
  close(failure?: FormDBError): void {
    this.#adders--;
    this.#failure ??= failure;
    this.#check();
  }

  taken(operation: Operation): void {
    this.#pending?.add(operation);
  }

  get hasFailed(): boolean {
    return this.#failed > 0 || this.#failure !== undefined;
  }

  /** The operations that were taken and have not ended, if the call can be given up. */
  get pending(): readonly Operation[] {
    return [...(this.#pending ?? [])];
  }

  ended(operation: Operation, index: number, { outcome, error }: Ending): void {
    this.#pending?.delete(operation);
    if (outcome === "applied") this.#successful++;
    else {
      this.#failed++;
      // What nobody knows has to be looked at, so it is never cut off.
      if (outcome === "unknown") this.#unknown.push(batchError(operation, index, error!, outcome));
      else if (this.#rejected.length < this.#maxErrors)
        this.#rejected.push(batchError(operation, index, error!, outcome));
    }
    this.#check();
  }

  /** Resolves to the result when the tally is complete; rejects if not all could be added. May be called once. */
  whenComplete(): Promise<BatchResult> {
    if (this.#isComplete) return this.#settled();
    return new Promise((resolve) => {
      this.#onComplete = () => resolve(this.#settled());
    });
  }

  get #isComplete(): boolean {
    return this.#adders === 0 && this.#successful + this.#failed === this.#added;
  }

  #settled(): Promise<BatchResult> {
    const result: BatchResult = {
      successful: this.#successful,
      failed: this.#failed,
      errors: [...this.#unknown.sort(byIndex), ...this.#rejected.sort(byIndex)],
    };
    if (this.#failure === undefined) return Promise.resolve(result);
    const { code, message } = this.#failure;
    return Promise.reject(new FormDBError(code, message, { cause: this.#failure, details: { result } }));
  }

  #check(): void {
    if (this.#onComplete === undefined || !this.#isComplete) return;
    const done = this.#onComplete;
    this.#onComplete = undefined;
    done();
  }
}

function byIndex(a: BatchError, b: BatchError): number {
  return a.index - b.index;
}

function batchError(
  { id, attempts }: Operation,
  index: number,
  { code, message }: FormDBError,
  outcome: FailureOutcome,
): BatchError {
  return id === ""
    ? { index, error: message, code, attempts, outcome }
    : { index, error: message, code, id, attempts, outcome };
}

/**
 * Calls `onEnd` once if the signal fires or the time runs out, with the error that says so. Returns what stops the
 * watching, or undefined if there is nothing to watch.
 */
export function watch(
  what: string,
  { signal, timeoutMs = Infinity }: CallOptions,
  clock: Clock,
  onEnd: (error: FormDBError) => void,
): (() => void) | undefined {
  if (signal === undefined && timeoutMs === Infinity) return undefined;
  const onAbort = (): void => end(abortedError(what, signal!));
  const timer =
    timeoutMs === Infinity ? undefined : clock.schedule(() => end(timeoutError(what, timeoutMs)), timeoutMs);
  function stop(): void {
    timer?.cancel();
    signal?.removeEventListener("abort", onAbort);
  }
  function end(error: FormDBError): void {
    stop();
    onEnd(error);
  }
  // The source of the call's own operations may have fired it.
  if (signal?.aborted) onAbort();
  else signal?.addEventListener("abort", onAbort, { once: true });
  return stop;
}

/** What a caller that has given up is told of a write that was sent. */
export function unknownAfter(error: FormDBError): FormDBError {
  return new FormDBError(
    error.code,
    `${error.message} while it was under way; whether it took place is not known`,
    { cause: error.cause, retryable: false, details: { ...error, outcome: "unknown" } },
  );
}

/** The error for a call after `close()`. */
export function closedError(): FormDBError {
  return new FormDBError("FORMDB_CLOSED", "The batch processor takes no more operations: it is closed");
}

/**
 * The error for the caller of one write. Operations of a group share their error, which was made where no caller
 * was; this one says what became of the write, and has the stack of whoever makes it. An error that said otherwise,
 * such as that of a lost connection after the database has told that nothing was committed, becomes its cause.
 */
export function errorForCaller(error: FormDBError, outcome: FailureOutcome, attempts: number): FormDBError {
  const { code, message, outcome: said } = error;
  const isOtherwise = said !== undefined && said !== outcome;
  return new FormDBError(code, message, {
    cause: isOtherwise ? error : error.cause,
    retryable: isOtherwise ? outcome === "rejected" : error.retryable,
    details: { ...error, outcome, attempts },
  });
}
