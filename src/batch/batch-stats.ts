/** What there is to know of a processor at one moment, and what it has done. */
export interface BatchStats {
  /** Operations that wait to be sent. */
  readonly queued: number;
  readonly queuedBytes: number;
  /** Groups under way, those that pause before a retry included. */
  readonly inFlight: number;
  /** Operations held: queued, or under way. */
  readonly held: number;
  readonly heldBytes: number;
  /** Calls that wait for room. */
  readonly waiting: number;
  /** How long the oldest queued operation has waited. */
  readonly oldestMs: number;
  /** Batches sent, retries and halves not counted. */
  readonly flushes: number;
  readonly retries: number;
  /** Operations that were sent together with an earlier one of their id, as one. */
  readonly coalesced: number;
  readonly successful: number;
  readonly failed: number;
  /** The most operations that a group may have now. */
  readonly batchLimit: number;
}
