import type { ErrorCode, FailureOutcome, FormDBError } from "../base/errors.ts";
import type { WriteKind } from "../base/observer.ts";

/** One write as an `execute` function gets it. */
export interface BatchOperation {
  readonly kind: WriteKind;
  readonly collection: string;
  readonly id: string;
  /** The JSON text of the document or merge patch, written when it was queued; empty for a delete. */
  readonly json: string;
  /** The document or patch as it was given; `undefined` for a delete. It may have changed since: `json` has not. */
  readonly document: unknown;
  /** What it weighs in the queue: the length of `json` and `id`. */
  readonly bytes: number;
  /** Of an update in a database's own queue that is no merge patch: then `json` is empty. */
  readonly change?: DocumentChange | undefined;
}

/** A change that only its database can make: not what a document becomes, but how that is made of what is there. */
export interface DocumentChange {
  /** Changes of the same form are made together. */
  readonly form: string;
  /** What its values weigh. */
  readonly bytes: number;
  /** Whether the database sees the last only of several that are made of one document together. */
  readonly isHidden: boolean;
}

/**
 * Which operations that follow one another on one id are sent as one. `additive`: if the one has every value of each,
 * so that nothing is hidden that could be refused. `all`: also if a later one overwrites or deletes what an earlier one
 * wrote; for data that nothing but its id can make a database refuse.
 */
export type Coalesce = "none" | "additive" | "all";

/** Runs a function in an asynchronous context that was captured. */
export type ContextRunner = <T>(fn: () => T) => T;

/** Operations of one kind on one collection that are sent together. */
export interface BatchGroup {
  readonly kind: WriteKind;
  readonly collection: string;
  /**
   * Sorted by id in code point order, so that two writers can't deadlock, and with distinct ids; but changes (all of one
   * form then) of one id may follow one another, in the order in which they are to be made.
   */
  readonly operations: readonly BatchOperation[];
  /**
   * Stored by the database in the transaction of the group, so that a commit whose answer was lost can be
   * looked up. The same for every sending of the same operations; undefined where tokens are off.
   */
  readonly token: string | undefined;
  /** 1 for the first sending. */
  readonly attempt: number;
  /** When its oldest operation was queued, by the processor's clock. */
  readonly queuedAtMs: number;
  /** Fires when the processor is closed and its deadline has passed. */
  readonly signal: AbortSignal;
}

/** How one operation ended. Without an `error` it was applied. */
export interface OperationResult {
  /** For a delete: whether the document was there. */
  readonly found?: boolean;
  /** Of a change: the document's version after it. */
  readonly version?: number;
  /** The operation was refused, certainly not applied, while others of its group were applied. */
  readonly error?: FormDBError;
}

/**
 * How a group reaches a database. Resolves to one result per operation, aligned with them, or to nothing when
 * all were applied. Rejects when none was applied, or when nobody knows: `Classify` tells which.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: an async function without a result is a good execute
export type ExecuteGroup = (group: BatchGroup) => Promise<readonly OperationResult[] | undefined | void>;

/**
 * What a failure of a group means. `transient`: not applied, sending again may help. `unknown`: perhaps
 * applied. `data`: not applied, because of one or more operations. `statement`: not applied, none could be.
 */
export type FailureClass = "transient" | "unknown" | "data" | "statement";
/** Says of an error of a group what is to be done with the group. */
export type Classify = (error: unknown) => FailureClass;

/**
 * Asks the database for the token of a group whose outcome is unknown. Resolves to the group's results if
 * it was committed, to undefined if it was not **and can't be any more**: an implementation must
 * wait for, or lock out, a transaction that is still on its way.
 */
export type LookUpToken = (
  token: string,
  group: BatchGroup,
) => Promise<readonly OperationResult[] | undefined>;

/** An operation that failed. */
export interface BatchError {
  /** Counts the operations of the call, or of the flush, in the order in which they were added, from 0. */
  readonly index: number;
  /** The message. */
  readonly error: string;
  readonly code: ErrorCode;
  /** Missing where the operation never had one. */
  readonly id?: string;
  /** How often it was sent. */
  readonly attempts: number;
  /** `rejected`: certainly not applied. `unknown`: nobody can tell. */
  readonly outcome: FailureOutcome;
}

/** How the operations of a call or of a flush ended. */
export interface BatchResult {
  readonly successful: number;
  readonly failed: number;
  /**
   * First all failures with the outcome `unknown`, then the first `maxErrors` of the others, each ordered by index.
   * `failed` counts all.
   */
  readonly errors: BatchError[];
}

/** An operation that was not delivered, and not applied; it can be queued again. */
export interface UndeliveredOperation {
  readonly kind: WriteKind;
  readonly collection: string;
  readonly id: string;
  /** The document or patch as it was when it was queued; `undefined` for a delete. */
  readonly document: unknown;
}

/** What `close()` gives. */
export interface CloseResult {
  readonly undelivered: readonly UndeliveredOperation[];
  /** Of all operations that were added since the last flush. */
  readonly result: BatchResult;
}

/** How a single operation ended well. */
export interface Submitted {
  readonly id: string;
  /** For a delete: whether the document was there. */
  readonly found?: boolean;
}

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
