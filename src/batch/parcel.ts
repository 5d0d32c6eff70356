import type { FormDBError } from "../base/errors.ts";
import type { BatchGroup } from "./group.ts";
import type { Operation } from "./operation.ts";

/** Operations that are sent together until their outcome is known, or until they are parted. */
export interface Parcel {
  /** With distinct ids; of merged ones the first. */
  readonly operations: readonly Operation[];
  readonly token: string | undefined;
  /** What the next step is: to send, or to ask whether the last sending was committed. */
  step: "send" | "lookUp";
  /** Sendings so far. */
  sendings: number;
  /** Steps that failed for a transient reason, one after another. */
  failures: number;
  /** Why the last sending failed. */
  error: FormDBError | undefined;
}

/** What `execute` gets of a parcel. */
export function groupOf({ operations, token }: Parcel, attempt: number, signal: AbortSignal): BatchGroup {
  const { kind, collection } = operations[0]!.merged ?? operations[0]!;
  const sent = operations.some(isMerged)
    ? operations.map((operation) => operation.merged ?? operation)
    : operations;
  return { kind, collection, operations: sent, token, attempt, signal };
}

/** The callers' operations of a parcel, those that were merged one by one. */
export function originals({ operations }: Parcel): readonly Operation[] {
  return operations.some(isMerged)
    ? operations.flatMap((operation) => operation.merged?.parts ?? operation)
    : operations;
}

/** Whether its caller, or that of one of its parts, has given up. */
export function isAborted({ merged, call }: Operation): boolean {
  return merged === undefined ? call?.signal?.aborted === true : merged.parts.some(hasAbortedCall);
}

function hasAbortedCall({ call }: Operation): boolean {
  return call?.signal?.aborted === true;
}

function isMerged({ merged }: Operation): boolean {
  return merged !== undefined;
}
