import { FormDBError, messageOf } from "../base/errors.ts";
import type { Journal, JournalGroup } from "../base/journal.ts";
import { show } from "../base/options.ts";
import type { BatchGroup, LookUpToken } from "./group.ts";
import { checkWriteKind, Operation } from "./operation.ts";
import { sortById } from "./write-queue.ts";

/** What a journal's own failure is if it does not say. */
const UNSAID = { code: "FORMDB_ENGINE", retryable: false } as const;

/** Writes to the journal: what is added, what is sent, and what is over. */
export class JournalWriter {
  readonly #journal: Journal;
  readonly #onError: (error: FormDBError) => void;
  readonly #firstSequence: number;
  #sequence: number;
  /** The highest sequence that the journal has taken. */
  #appended: number;
  #appending: Promise<void> | undefined;
  #settled: number[] = [];
  #settling = false;

  /** `onError` is told what the journal could not forget in time. */
  constructor(journal: Journal, onError: (error: FormDBError) => void) {
    this.#journal = journal;
    this.#onError = onError;
    this.#firstSequence = journal.lastSequence;
    this.#sequence = this.#firstSequence;
    this.#appended = this.#firstSequence;
  }

  /** Whether an operation was added, which the journal then holds or is given. */
  get hasNumbered(): boolean {
    return this.#sequence > this.#firstSequence;
  }

  /** Gives an operation its number. Operations are appended in the order of their numbers. */
  number(operation: Operation): void {
    operation.sequence = ++this.#sequence;
  }

  /** Durable when it resolves. The journal holds none of them when it rejects. */
  async append(operations: readonly Operation[]): Promise<void> {
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
    } catch (cause) {
      // A full disk may be free again.
      const { code, retryable } = cause instanceof FormDBError ? cause : UNSAID;
      throw new FormDBError(code, `The journal could not take operations: ${messageOf(cause)}`, {
        cause,
        retryable,
      });
    } finally {
      this.#appending = undefined;
    }
  }

  /** Notes under which token operations are about to be sent. */
  async assign(token: string, operations: readonly Operation[]): Promise<void> {
    try {
      await this.#journal.assign(
        token,
        operations.map(({ sequence }) => sequence),
      );
    } catch (cause) {
      throw new FormDBError("FORMDB_BUSY", `The journal could not record a group: ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  /** Forgets an operation that was not applied. No crash brings it back once this resolves. */
  async forget(sequence: number): Promise<void> {
    // It was taken back on its way into the journal.
    if (sequence > this.#appended) await this.#appending?.catch(() => {});
    if (sequence <= this.#appended) await this.#journal.forget([sequence]);
  }

  /** Forgets an operation that was applied, together with others of this tick. */
  settle(sequence: number): void {
    this.#settled.push(sequence);
    if (!this.#settling) void this.#settleAll();
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
        this.#onError(new FormDBError("FORMDB_ENGINE", message, { cause }));
      }
    }
    this.#settling = false;
  }
}

/** What a replay has found. */
export interface ReplayResult {
  /** Operations that are queued again; the next flush gives their outcomes. */
  readonly queued: number;
  /** Operations whose group had been committed before the crash. */
  readonly committed: number;
}

/**
 * Goes through what a crash has left: each group that was sent is looked up by its token, and what was not
 * committed is queued again in its old order.
 */
export async function replayJournal(
  journal: Journal,
  lookUpToken: LookUpToken,
  restore: (operation: Operation) => void,
): Promise<ReplayResult> {
  const left: Operation[] = [];
  const done: number[] = [];
  for (const group of await journal.replay()) {
    const operations = group.operations.map(toOperation);
    if (await wasCommitted(group, operations, lookUpToken))
      done.push(...operations.map(({ sequence }) => sequence));
    else left.push(...operations);
  }
  if (done.length > 0) await journal.settle(done);
  for (const operation of left.sort((a, b) => a.sequence - b.sequence)) restore(operation);
  return { queued: left.length, committed: done.length };
}

async function wasCommitted(
  { token }: JournalGroup,
  operations: readonly Operation[],
  lookUpToken: LookUpToken,
): Promise<boolean> {
  if (token === undefined || operations.length === 0) return false;
  const { kind, collection } = operations[0]!;
  const group: BatchGroup = {
    kind,
    collection,
    operations: sortById([...operations]),
    token,
    attempt: 1,
    queuedAtMs: operations[0]!.queuedAtMs,
    signal: new AbortController().signal,
  };
  return (await lookUpToken(token, group)) !== undefined;
}

function toOperation(entry: JournalGroup["operations"][number]): Operation {
  const { kind, collection, id, json, sequence } = entry;
  const wanted = checkWriteKind(kind);
  if (wanted !== undefined) throw unreadable(sequence, `its kind must be ${wanted}, not ${show(kind)}`);
  let document: unknown;
  try {
    document = json === "" ? undefined : JSON.parse(json);
  } catch (cause) {
    throw unreadable(sequence, "its document is no JSON", cause);
  }
  const operation = new Operation(kind, collection, id, { json, document });
  operation.sequence = sequence;
  return operation;
}

function unreadable(sequence: number, why: string, cause?: unknown): FormDBError {
  return new FormDBError(
    "FORMDB_ENGINE",
    `The operation ${sequence} of the journal can't be read: ${why}`,
    cause === undefined ? {} : { cause },
  );
}
