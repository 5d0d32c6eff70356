import { FormDBError } from "../base/errors.ts";

/** The error for an operation that found no room. */
export function queueFull({
  maxQueued,
  maxQueuedBytes,
}: {
  maxQueued: number;
  maxQueuedBytes: number;
}): FormDBError {
  return new FormDBError(
    "FORMDB_QUEUE_FULL",
    `The write was refused: the batch queue holds all that maxQueued (${maxQueued} operations) and ` +
      `maxQueuedBytes (${maxQueuedBytes}) allow; await the call to be slowed down instead`,
    { details: { maxQueued, maxQueuedBytes } },
  );
}

/** The error for a call after `close()`. */
export function closedError(): FormDBError {
  return new FormDBError("FORMDB_CLOSED", "The batch processor takes no more operations: it is closed");
}

/** The error for an operation that its caller took back. */
export function aborted(signal: AbortSignal): FormDBError {
  return new FormDBError("FORMDB_ABORTED", "The operation was aborted by its signal", {
    cause: signal.reason,
  });
}
