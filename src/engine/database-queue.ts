import type { FormDBError } from "../base/errors.ts";
import type { WriteKind } from "../base/observer.ts";
import type { BatchOptions } from "../batch/batch-options.ts";
import { BatchProcessor } from "../batch/batch-processor.ts";
import { errorForCaller } from "../batch/calls.ts";
import type { BatchResult, CloseResult, ExecuteGroup, UndeliveredOperation } from "../batch/group.ts";
import type { Ending, Write } from "../batch/operation.ts";
import type { SubmitOptions, WriteOptions } from "../batch/submissions.ts";
import type { Transactions } from "./transaction.ts";

/**
 * The queue of a database's writes. Inside a transaction it takes what nobody waits for, and refuses the calls that give a
 * promise: where the transaction holds the only connection they would wait for its end, and it for theirs.
 */
export class DatabaseQueue extends BatchProcessor {
  readonly #transactions: Transactions;

  constructor(transactions: Transactions, execute: ExecuteGroup, options: BatchOptions) {
    super(execute, options);
    this.#transactions = transactions;
  }

  override write<T>(
    write: Write,
    options: WriteOptions | undefined,
    give: (id: string, ending: Ending) => T,
  ): Promise<T> {
    return this.#refusal("batch.submit()") ?? super.write(write, options, give);
  }

  override submitAll(
    kind: WriteKind,
    collection: string,
    items: Iterable<unknown>,
    options?: SubmitOptions,
  ): Promise<BatchResult> {
    return this.#refusal("batch.submitAll()") ?? super.submitAll(kind, collection, items, options);
  }

  override requeue(operations: Iterable<UndeliveredOperation>): Promise<BatchResult> {
    return this.#refusal("batch.requeue()") ?? super.requeue(operations);
  }

  override flush(): Promise<BatchResult> {
    return this.#refusal("batch.flush()") ?? super.flush();
  }

  override close(options?: { readonly deadlineMs?: number | undefined }): Promise<CloseResult> {
    return this.#refusal("batch.close()") ?? super.close(options);
  }

  #refusal(what: string): Promise<never> | undefined {
    try {
      this.#transactions.refuseInside(what);
      return undefined;
    } catch (error) {
      return Promise.reject(errorForCaller(error as FormDBError, "rejected", 0));
    }
  }
}
