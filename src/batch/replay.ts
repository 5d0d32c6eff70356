import type { Journal, JournalGroup } from "../base/journal.ts";
import type { BatchGroup, LookUpToken } from "./group.ts";
import { sortById } from "./id-order.ts";
import { Operation } from "./operation.ts";

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
    signal: new AbortController().signal,
  };
  return (await lookUpToken(token, group)) !== undefined;
}

function toOperation(entry: JournalGroup["operations"][number]): Operation {
  const { kind, collection, id, json, sequence } = entry;
  const document: unknown = json === "" ? undefined : JSON.parse(json);
  const operation = new Operation(kind, collection, id, json, document);
  operation.sequence = sequence;
  return operation;
}
