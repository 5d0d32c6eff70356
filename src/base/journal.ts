import type { WriteKind } from "./observer.ts";

/** An operation as a journal keeps it. */
export interface JournalOperation {
  /** Rises with the order in which operations were queued; never used twice in one journal. */
  readonly sequence: number;
  readonly kind: WriteKind;
  readonly collection: string;
  readonly id: string;
  readonly json: string;
}

/**
 * What the tokens of groups from a journal begin with. They are kept for longer than others, whoever deletes old ones:
 * a process without a journal must not delete what a crashed one will look up when it comes back.
 */
export const JOURNALLED_TOKEN_PREFIX = "spill:";
/** Tokens of groups from a journal live at least so long. */
export const JOURNALLED_TOKEN_LIFE_MS: number = 30 * 24 * 60 * 60 * 1_000;

/** Operations that a journal still holds, by the token under which they were last sent. */
export interface JournalGroup {
  /** Undefined for operations that were never sent. */
  readonly token: string | undefined;
  readonly operations: readonly JournalOperation[];
}

/**
 * A durable list of what is queued, so that a crash loses nothing and repeats nothing. The processor's side:
 * operations are appended before they count as accepted; a token is assigned before its group is sent, replacing
 * an earlier one; operations are settled once their outcome is known, and forgotten before a caller is told that they were
 * rejected. After a crash each group that
 * has a token is looked up in the database by it: committed ones are done, all others are queued again. So each operation is
 * applied once, provided that the database keeps tokens for longer than the journal keeps operations.
 */
export interface Journal {
  /** The highest sequence that was ever appended; 0 for a new journal. */
  readonly lastSequence: number;
  /** Durable when it resolves. Holds none of them when it rejects. */
  append(operations: readonly JournalOperation[]): Promise<void>;
  /** Durable when it resolves. All of the operations have been appended. */
  assign(token: string, sequences: readonly number[]): Promise<void>;
  /** Forgets applied operations. May be lazy: what is forgotten too late is looked up by its token. */
  settle(sequences: readonly number[]): Promise<void>;
  /**
   * Forgets operations that were not applied: no token tells of them. Durable when it resolves, and no later than
   * any `assign` that is asked for after it.
   */
  forget(sequences: readonly number[]): Promise<void>;
  /** What is held, in the order of its first sequences. Called before anything is appended. */
  replay(): Promise<readonly JournalGroup[]>;
}
