import type { CallOptions } from "../../base/abort.ts";
import type { Row } from "../../base/document.ts";
import { FormDBError } from "../../base/errors.ts";
import type { BatchResult } from "../../batch/group.ts";
import type { PlannedTree } from "../plan-source.ts";
import type { QueryResult } from "../read.ts";
import type { CollectionHost, Versioned } from "./host.ts";

/** The methods of a transaction that a collection's handle uses. */
export interface TransactionMethods {
  get(collection: string, id: string | number): Promise<Row | undefined>;
  getVersioned(collection: string, id: string | number): Promise<Versioned<Row> | undefined>;
  insert(collection: string, document: unknown): Promise<string>;
  upsert(collection: string, document: unknown): Promise<string>;
  delete(collection: string, id: string | number): Promise<boolean>;
  runTree(tree: PlannedTree, options: CallOptions): Promise<QueryResult>;
}

/** An open transaction as what a collection's handle works on. */
export class TransactionHost implements CollectionHost {
  readonly #transaction: TransactionMethods;

  constructor(transaction: TransactionMethods) {
    this.#transaction = transaction;
  }

  get(collection: string, id: string | number): Promise<Row | undefined> {
    return this.#transaction.get(collection, id);
  }

  getVersioned(collection: string, id: string | number): Promise<Versioned<Row> | undefined> {
    return this.#transaction.getVersioned(collection, id);
  }

  insert(collection: string, document: unknown): Promise<string> {
    return this.#transaction.insert(collection, document);
  }

  /** One that fails fails the call, and with it the transaction. */
  async insertAll(collection: string, documents: readonly unknown[]): Promise<BatchResult> {
    for (const document of documents) await this.#transaction.insert(collection, document);
    return { successful: documents.length, failed: 0, errors: [] };
  }

  upsert(collection: string, document: unknown): Promise<string> {
    return this.#transaction.upsert(collection, document);
  }

  delete(collection: string, id: string | number): Promise<boolean> {
    return this.#transaction.delete(collection, id);
  }

  run(_what: string, tree: PlannedTree, { signal, timeoutMs }: CallOptions): Promise<QueryResult> {
    return this.#transaction.runTree(tree, { signal, timeoutMs });
  }

  /** The transaction's connection runs one call at a time: all rows are read before the first is given. */
  async *stream(tree: PlannedTree, options: CallOptions): AsyncGenerator<Row> {
    yield* (await this.run("find()", tree, options)).rows;
  }

  async explain(): Promise<never> {
    throw notHere("explain()");
  }

  async createIndex(): Promise<never> {
    throw notHere("createIndex()");
  }
}

function notHere(what: string): FormDBError {
  return new FormDBError(
    "FORMDB_UNSUPPORTED",
    `${what} can't be called inside a transaction; call it on a handle of the database's`,
  );
}
