import { boundsOf, type CallOptions, NO_BOUNDS, TimeOfParts } from "../../base/abort.ts";
import type { Clock } from "../../base/clock.ts";
import type { Row } from "../../base/document.ts";
import { FormDBError } from "../../base/errors.ts";
import type { BatchResult } from "../../batch/group.ts";
import type { PlannedTree } from "../plan-source.ts";
import type { QueryResult } from "../read.ts";
import type { CollectionHost, DatabaseMethods, Versioned } from "./host.ts";

/** The methods of a transaction that a collection's handle uses. */
export interface TransactionMethods {
  readonly clock: Clock;
  readonly findsFirst: boolean | undefined;
  get(collection: string, id: string | number, options?: CallOptions): Promise<Row | undefined>;
  getVersioned(
    collection: string,
    id: string | number,
    options?: CallOptions,
  ): Promise<Versioned<Row> | undefined>;
  insert(collection: string, document: unknown, options?: CallOptions): Promise<string>;
  upsert(collection: string, document: unknown, options?: CallOptions): Promise<string>;
  delete(collection: string, id: string | number, options?: CallOptions): Promise<boolean>;
  runTree(what: string, tree: PlannedTree, options: CallOptions): Promise<QueryResult>;
  absence(collection: string, options: CallOptions): Promise<string | undefined>;
}

/** An open transaction as what a collection's handle works on. */
export class TransactionHost implements CollectionHost {
  readonly #transaction: TransactionMethods;
  readonly methods: DatabaseMethods;
  readonly clock: Clock;
  readonly findsFirst: boolean | undefined;

  constructor(transaction: TransactionMethods) {
    this.#transaction = transaction;
    this.clock = transaction.clock;
    this.findsFirst = transaction.findsFirst;
    this.methods = {
      get: (collection, id, options) => transaction.get(collection, id, options),
      insert: (collection, document, options) => transaction.insert(collection, document, options),
      batchInsert: (collection, documents, options) =>
        insertEach(transaction, collection, documents, options),
      upsert: (collection, document, options) => transaction.upsert(collection, document, options),
      delete: (collection, id, options) => transaction.delete(collection, id, options),
      createIndex: () => Promise.reject(notHere("createIndex()")),
    };
  }

  getVersioned(
    collection: string,
    id: string | number,
    options?: CallOptions,
  ): Promise<Versioned<Row> | undefined> {
    return this.#transaction.getVersioned(collection, id, options);
  }

  absence(collection: string, options: CallOptions): Promise<string | undefined> {
    return this.#transaction.absence(collection, options);
  }

  run(what: string, tree: PlannedTree, options: CallOptions): Promise<QueryResult> {
    return this.#transaction.runTree(what, tree, boundsOf(options));
  }

  /** The transaction's connection runs one call at a time: all rows are read before the first is given. */
  async *stream(tree: PlannedTree, options: CallOptions): AsyncGenerator<Row> {
    yield* (await this.run("find()", tree, options)).rows;
  }

  async explain(): Promise<never> {
    throw notHere("explain()");
  }
}

/** One that fails fails the call, and with it the transaction. */
async function insertEach(
  transaction: TransactionMethods,
  collection: string,
  documents: Iterable<unknown>,
  options: CallOptions = NO_BOUNDS,
): Promise<BatchResult> {
  const time = new TimeOfParts("insertMany()", options, transaction.clock);
  let successful = 0;
  try {
    for (const document of documents) {
      await transaction.insert(collection, document, time.next());
      successful++;
    }
  } catch (error) {
    throw time.errorOf(error);
  }
  return { successful, failed: 0, errors: [] };
}

function notHere(what: string): FormDBError {
  return new FormDBError(
    "FORMDB_UNSUPPORTED",
    `${what} can't be called inside a transaction; call it on a handle of the database's`,
  );
}
