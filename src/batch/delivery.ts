import { type FailureOutcome, FormDBError, messageOf } from "../base/errors.ts";
import { JOURNALLED_TOKEN_PREFIX } from "../base/journal.ts";
import { uuidV4 } from "../base/uuid.ts";
import type { BatchSettings } from "./batch-options.ts";
import { toFormDBError } from "./classify.ts";
import { outcomesOfParts } from "./coalesce.ts";
import type { ExecuteGroup, FailureClass, OperationResult } from "./group.ts";
import type { Operation } from "./operation.ts";
import { groupOf, isAborted, originals, type Parcel } from "./parcel.ts";
import { aborted } from "./refusals.ts";

/** What a delivery needs of the processor. */
export interface Deliveries {
  applied(operation: Operation, result: OperationResult | undefined): void;
  failed(operation: Operation, error: FormDBError, outcome: FailureOutcome): void;
  /** Takes back what a merged operation is made of, to be sent one by one: none of it was applied. */
  unmerge(operation: Operation): void;
  /** Takes the parcel's next step when there is a slot for it. */
  again(parcel: Parcel): void;
  /** Takes it after a pause; gives no slot meanwhile. */
  later(parcel: Parcel, delayMs: number): void;
}

/**
 * Takes one step of a parcel: sends it or looks its token up, and decides by the outcome what comes next. Data
 * errors part it in halves until the bad operations are alone: k bad ones of n take O(k log n) sendings.
 */
export class Delivery {
  readonly #execute: ExecuteGroup;
  readonly #settings: BatchSettings;
  readonly #target: Deliveries;
  readonly #signal: AbortSignal;

  constructor(execute: ExecuteGroup, settings: BatchSettings, target: Deliveries, signal: AbortSignal) {
    this.#execute = execute;
    this.#settings = settings;
    this.#target = target;
    this.#signal = signal;
  }

  parcel(operations: readonly Operation[]): Parcel {
    const { token: wanted, spill } = this.#settings;
    const token = wanted ? (spill === undefined ? "" : JOURNALLED_TOKEN_PREFIX) + uuidV4() : undefined;
    return { operations, token, step: "send", sendings: 0, failures: 0, error: undefined };
  }

  /** Never rejects. */
  async step(parcel: Parcel): Promise<void> {
    try {
      await (parcel.step === "send" ? this.#send(parcel) : this.#lookUp(parcel));
    } catch (error) {
      // Reached when a caller's own function (such as classify) throws: nothing can be said of the outcome.
      this.#failAll(parcel, toFormDBError(error), "unknown");
    }
  }

  async #send(parcel: Parcel): Promise<void> {
    const kept = this.#withoutAborted(parcel);
    if (kept === undefined) return;
    const group = groupOf(kept, ++kept.sendings, this.#signal);
    for (const operation of kept.operations) {
      if (operation.merged === undefined) operation.attempts++;
      else for (const part of operation.merged.parts) part.attempts++;
    }
    let results: readonly OperationResult[] | undefined;
    try {
      await this.#assign(kept);
      const inContext = first(kept.operations).context;
      const execution =
        inContext === undefined ? this.#execute(group) : inContext(() => this.#execute(group));
      results = (await execution) ?? undefined;
    } catch (error) {
      if (this.#open(kept)) this.#decide(kept, error);
      return;
    }
    if (this.#open(kept)) this.#settle(kept, results);
  }

  async #lookUp(parcel: Parcel): Promise<void> {
    const lookUpToken = this.#settings.lookUpToken!;
    let results: readonly OperationResult[] | undefined;
    try {
      results = await lookUpToken(parcel.token!, groupOf(parcel, parcel.sendings, this.#signal));
    } catch (error) {
      if (!this.#open(parcel)) return;
      // Asking changes nothing, so it may be asked again whatever went wrong.
      if (parcel.failures < this.#settings.maxRetries && !this.#signal.aborted) this.#later(parcel);
      else this.#failAll(parcel, unknownError(parcel, error), "unknown");
      return;
    }
    if (!this.#open(parcel)) return;
    if (results !== undefined) {
      this.#settle(parcel, results);
      return;
    }
    parcel.step = "send";
    if (parcel.sendings <= this.#settings.maxRetries && !this.#signal.aborted) this.#later(parcel);
    else this.#failAll(parcel, parcel.error!, "rejected");
  }

  #decide(parcel: Parcel, cause: unknown): void {
    const error = toFormDBError(cause);
    parcel.error = error;
    const what: FailureClass = this.#settings.classify(cause);
    switch (what) {
      case "transient":
        if (parcel.sendings <= this.#settings.maxRetries && !this.#signal.aborted) this.#later(parcel);
        else this.#failAll(parcel, error, "rejected");
        return;
      case "unknown":
        if (parcel.token === undefined || this.#settings.lookUpToken === undefined) {
          this.#failAll(parcel, error, "unknown");
        } else {
          parcel.step = "lookUp";
          parcel.failures = 0;
          this.#target.again(parcel);
        }
        return;
      case "data":
        if (parcel.operations.length === 1) this.#refuse(parcel, error);
        else this.#part(parcel);
        return;
      case "statement":
        this.#refuse(parcel, error);
        return;
      default:
        what satisfies never;
        throw new FormDBError("FORMDB_CONFIG", `classify() must give a failure class, not ${String(what)}`);
    }
  }

  #part(parcel: Parcel): void {
    const { operations } = parcel;
    this.#settings.observer.bisected(operations.length);
    const middle = operations.length >> 1;
    this.#target.again(this.parcel(operations.slice(0, middle)));
    this.#target.again(this.parcel(operations.slice(middle)));
  }

  #later(parcel: Parcel): void {
    const { backoffBaseMs, backoffMaxMs, random, observer } = this.#settings;
    const most = Math.min(backoffMaxMs, backoffBaseMs * 2 ** parcel.failures);
    parcel.failures++;
    observer.retried(parcel.operations.length, parcel.sendings);
    this.#target.later(parcel, random() * most);
  }

  #settle(parcel: Parcel, results: readonly OperationResult[] | undefined): void {
    const { operations } = parcel;
    if (results !== undefined && (!Array.isArray(results) || results.length !== operations.length)) {
      const count = Array.isArray(results) ? results.length : typeof results;
      const message = `execute() must give one result for each of the ${operations.length} operations, not ${count}`;
      this.#failAll(parcel, new FormDBError("FORMDB_CONFIG", message), "unknown");
      return;
    }
    for (let i = 0; i < operations.length; i++) {
      const operation = operations[i]!;
      if (operation.merged === undefined) this.#end(operation, results?.[i]);
      else this.#settleParts(operation, results?.[i]);
    }
  }

  #settleParts(operation: Operation, result: OperationResult | undefined): void {
    const { parts } = operation.merged!;
    const outcomes = outcomesOfParts(operation.merged!, result);
    if (outcomes === undefined) this.#unmerge(operation);
    else for (let i = 0; i < parts.length; i++) this.#end(parts[i]!, outcomes[i]);
  }

  #end(operation: Operation, result: OperationResult | undefined): void {
    if (result?.error === undefined) this.#target.applied(operation, result);
    else this.#target.failed(operation, result.error, "rejected");
  }

  /** None was applied, for a reason of its own: of what was merged it is not known yet whose. */
  #refuse({ operations }: Parcel, error: FormDBError): void {
    for (const operation of operations) {
      if (operation.merged === undefined) this.#target.failed(operation, error, "rejected");
      else this.#unmerge(operation);
    }
  }

  #unmerge(operation: Operation): void {
    this.#settings.observer.bisected(operation.merged!.parts.length);
    this.#target.unmerge(operation);
  }

  #failAll(parcel: Parcel, error: FormDBError, outcome: FailureOutcome): void {
    for (const operation of originals(parcel)) this.#target.failed(operation, error, outcome);
  }

  /**
   * Between two sendings callers may have given up. What they asked for is certainly not applied then, so that
   * the rest can go on, as a new group with a new token.
   */
  #withoutAborted(parcel: Parcel): Parcel | undefined {
    const { operations } = parcel;
    let kept: Operation[] | undefined;
    for (let i = 0; i < operations.length; i++) {
      const operation = operations[i]!;
      if (!isAborted(operation)) {
        kept?.push(operation);
        continue;
      }
      kept ??= operations.slice(0, i);
      if (operation.merged === undefined)
        this.#target.failed(operation, aborted(operation.call!.signal!), "rejected");
      else this.#unmerge(operation);
    }
    if (kept === undefined) return parcel;
    if (kept.length === 0) return undefined;
    return {
      ...this.parcel(kept),
      sendings: parcel.sendings,
      failures: parcel.failures,
      error: parcel.error,
    };
  }

  async #assign({ token, operations }: Parcel): Promise<void> {
    const { spill } = this.#settings;
    if (spill === undefined) return;
    try {
      await spill.assign(
        token!,
        operations.map(({ sequence }) => sequence),
      );
    } catch (cause) {
      throw new FormDBError("FORMDB_BUSY", `The journal could not record a group: ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  /** False once closing has given the parcel up: then its operations are settled already. */
  #open({ operations }: Parcel): boolean {
    return operations[0]!.state !== "settled";
  }
}

function unknownError(parcel: Parcel, cause: unknown): FormDBError {
  const why = parcel.error === undefined ? "" : `: ${parcel.error.message}`;
  return new FormDBError(
    parcel.error?.code ?? "FORMDB_CONNECTION_LOST",
    `Whether the write took place is not known${why}. Its token could not be looked up either: ${messageOf(cause)}`,
    { cause, retryable: false, details: { outcome: "unknown" } },
  );
}

/** The one that was queued first. */
function first(operations: readonly Operation[]): Operation {
  return operations.reduce((earliest, operation) =>
    operation.order < earliest.order ? operation : earliest,
  );
}
