import { type FailureOutcome, FormDBError, messageOf } from "../base/errors.ts";
import { JOURNALLED_TOKEN_PREFIX } from "../base/journal.ts";
import type { BatchSettings } from "./batch-options.ts";
import { toFormDBError } from "./classify.ts";
import { outcomesOfParts } from "./coalesce.ts";
import type { BatchGroup, BatchOperation, ExecuteGroup, FailureClass, OperationResult } from "./group.ts";
import type { JournalWriter } from "./journal-writer.ts";
import type { Ledger } from "./ledger.ts";
import type { Ending, Operation } from "./operation.ts";

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
  /** Of a part of a group that was refused: what it shares with the others. */
  readonly line: Line | undefined;
}

/**
 * The parts of one group that was refused, which are sent one after the other, in their order: so that of operations that the
 * database takes only one of, it takes the first.
 */
export interface Line {
  /** The part that is under way, or pauses before it is sent again. */
  holder: Parcel | undefined;
}

/** What decides when a parcel's next step is taken. */
export interface Steps {
  /** Takes the parcel's next step when there is a slot for it. */
  again(parcel: Parcel): void;
  /** Sends the parts of a parcel that was refused, before what is behind them in their line. */
  parted(parts: readonly Parcel[]): void;
  /** Takes it after a pause, and holds no slot meanwhile. */
  later(parcel: Parcel, delayMs: number): void;
  /** Takes back what a merged operation is made of, to be sent one by one: none of it was applied. */
  unmerge(operation: Operation): void;
}

/** How groups reach the database, and what notes them. */
export interface DeliveryParts {
  readonly execute: ExecuteGroup;
  readonly ledger: Ledger;
  readonly journal: JournalWriter | undefined;
  readonly signal: AbortSignal;
}

const APPLIED: Ending = Object.freeze({ outcome: "applied" });
const NO_RESULT: OperationResult = Object.freeze({});

/** The callers' operations of a parcel, those that were merged one by one. */
export function originals({ operations }: Parcel): readonly Operation[] {
  return operations.some(isMerged)
    ? operations.flatMap((operation) => operation.merged?.parts ?? operation)
    : operations;
}

/**
 * Takes one step of a parcel: sends it or looks its token up, and decides by the outcome what comes next. Data
 * errors part it in halves until the bad operations are alone: k bad ones of n take O(k log n) sendings.
 */
export class Delivery {
  readonly #settings: BatchSettings;
  readonly #steps: Steps;
  readonly #execute: ExecuteGroup;
  readonly #ledger: Ledger;
  readonly #journal: JournalWriter | undefined;
  readonly #signal: AbortSignal;

  constructor(settings: BatchSettings, steps: Steps, { execute, ledger, journal, signal }: DeliveryParts) {
    this.#settings = settings;
    this.#steps = steps;
    this.#execute = execute;
    this.#ledger = ledger;
    this.#journal = journal;
    this.#signal = signal;
  }

  parcel(operations: readonly Operation[], line?: Line): Parcel {
    const prefix = this.#journal === undefined ? "" : JOURNALLED_TOKEN_PREFIX;
    const token = this.#settings.token ? this.#settings.makeToken(operations[0]!.id, prefix) : undefined;
    return { operations, token, step: "send", sendings: 0, failures: 0, error: undefined, line };
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
    const kept = this.#withoutGivenUp(parcel);
    if (kept === undefined) return;
    const group = groupOf(kept, ++kept.sendings, this.#signal);
    for (const operation of kept.operations) {
      if (operation.merged === undefined) operation.attempts++;
      else for (const part of operation.merged.parts) part.attempts++;
    }
    let results: readonly OperationResult[] | undefined;
    try {
      await this.#journal?.assign(kept.token!, kept.operations);
      const inContext = firstQueued(kept.operations).context;
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
          this.#steps.again(parcel);
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
    const line = parcel.line ?? { holder: undefined };
    this.#steps.parted([
      this.parcel(operations.slice(0, middle), line),
      this.parcel(operations.slice(middle), line),
    ]);
  }

  #later(parcel: Parcel): void {
    const { backoffBaseMs, backoffMaxMs, random, observer } = this.#settings;
    const most = Math.min(backoffMaxMs, backoffBaseMs * 2 ** parcel.failures);
    parcel.failures++;
    observer.retried(parcel.operations.length, parcel.sendings);
    this.#steps.later(parcel, random() * most);
  }

  #settle(parcel: Parcel, results: readonly OperationResult[] | undefined): void {
    const isOfChanges = parcel.operations[0]!.change !== undefined;
    const operations = isOfChanges ? originals(parcel) : parcel.operations;
    if (results !== undefined && (!Array.isArray(results) || results.length !== operations.length)) {
      const count = Array.isArray(results) ? results.length : typeof results;
      const message = `execute() must give one result for each of the ${operations.length} operations, not ${count}`;
      this.#failAll(parcel, new FormDBError("FORMDB_CONFIG", message), "unknown");
      return;
    }
    for (let i = 0; i < operations.length; i++) {
      const operation = operations[i]!;
      if (isOfChanges || operation.merged === undefined) this.#end(operation, results?.[i]);
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
    const { error, found, version } = result ?? NO_RESULT;
    // An application's own execute may give null, and any error.
    if ((error ?? undefined) !== undefined) this.#fail(operation, toFormDBError(error), "rejected");
    else if (version !== undefined) this.#ledger.settle(operation, { outcome: "applied", version });
    else this.#ledger.settle(operation, found === undefined ? APPLIED : { outcome: "applied", found });
  }

  #fail(operation: Operation, error: FormDBError, outcome: FailureOutcome): void {
    this.#ledger.settle(operation, { outcome, error });
  }

  /** None was applied, for a reason of its own: of what was merged it is not known yet whose. */
  #refuse({ operations }: Parcel, error: FormDBError): void {
    for (const operation of operations) {
      if (operation.merged === undefined) this.#fail(operation, error, "rejected");
      else this.#unmerge(operation);
    }
  }

  #unmerge(operation: Operation): void {
    this.#settings.observer.bisected(operation.merged!.parts.length);
    this.#steps.unmerge(operation);
  }

  #failAll(parcel: Parcel, error: FormDBError, outcome: FailureOutcome): void {
    for (const operation of originals(parcel)) {
      // Some may be settled by a result behind which one could not be read.
      if (operation.state !== "settled") this.#fail(operation, error, outcome);
    }
  }

  /**
   * Between two sendings callers may have given up. What they asked for is certainly not applied then, so that
   * the rest can go on, as a new group with a new token.
   */
  #withoutGivenUp(parcel: Parcel): Parcel | undefined {
    const { operations } = parcel;
    let kept: Operation[] | undefined;
    for (let i = 0; i < operations.length; i++) {
      const operation = operations[i]!;
      if (!isGivenUp(operation)) {
        kept?.push(operation);
        continue;
      }
      kept ??= operations.slice(0, i);
      if (operation.merged === undefined) this.#fail(operation, operation.givenUp!, "rejected");
      else this.#unmerge(operation);
    }
    if (kept === undefined) return parcel;
    if (kept.length === 0) return undefined;
    return {
      ...this.parcel(kept, parcel.line),
      sendings: parcel.sendings,
      failures: parcel.failures,
      error: parcel.error,
    };
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
function firstQueued(operations: readonly Operation[]): Operation {
  return operations.reduce((earliest, operation) =>
    operation.order < earliest.order ? operation : earliest,
  );
}

/** What `execute` gets of a parcel. */
function groupOf(parcel: Parcel, attempt: number, signal: AbortSignal): BatchGroup {
  const { operations, token } = parcel;
  const { kind, collection, change } = operations[0]!.merged ?? operations[0]!;
  let sent: readonly BatchOperation[] = operations;
  if (change !== undefined) sent = originals(parcel);
  else if (operations.some(isMerged)) sent = operations.map((operation) => operation.merged ?? operation);
  const queuedAtMs = firstQueued(operations).queuedAtMs;
  return { kind, collection, operations: sent, token, attempt, queuedAtMs, signal };
}

/** Whether its caller, or that of one of its parts, waits no longer. */
function isGivenUp({ merged, givenUp }: Operation): boolean {
  return merged === undefined
    ? givenUp !== undefined
    : merged.parts.some((part) => part.givenUp !== undefined);
}

function isMerged({ merged }: Operation): boolean {
  return merged !== undefined;
}
