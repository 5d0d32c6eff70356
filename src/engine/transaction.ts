import { AsyncLocalStorage } from "node:async_hooks";
import type { Connection, IsolationLevel } from "../backend/backend.ts";
import { bounded, type CallOptions, throwIfAborted } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { checkCollectionName } from "../base/collection-name.ts";
import { type Document, encodeDocument, encodeId } from "../base/document.ts";
import { FormDBError } from "../base/errors.ts";
import type { WriteKind } from "../base/observer.ts";
import { checkOptions, integer, milliseconds, object, oneOf } from "../base/options.ts";
import type { Parameters } from "../plan/plan.ts";
import type { Connections } from "./connections.ts";
import { toDocument } from "./get.ts";
import { inTransaction } from "./in-transaction.ts";
import type { QueryResult, Reader } from "./read.ts";
import type { QueryTimes } from "./reporter.ts";
import { type Writer, writeOne } from "./write.ts";

/** How a transaction runs. */
export interface TransactionOptions {
  /** Default: the engine's own. SQLite, CockroachDB and DSQL always give their strictest. */
  readonly isolation?: IsolationLevel | undefined;
  /** How often `fn` is run again when the engine asks for it. Default 3. */
  readonly maxRetries?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to wait for a connection. */
  readonly timeoutMs?: number | undefined;
}

/** What `fn` works with: every call is a part of the transaction. */
export interface Transaction {
  query(text: string, parameters?: Parameters, options?: CallOptions): Promise<QueryResult>;
  get(collection: string, id: string | number): Promise<Document | undefined>;
  insert(collection: string, document: unknown): Promise<string>;
  update(collection: string, id: string | number, patch: unknown): Promise<void>;
  upsert(collection: string, document: unknown): Promise<string>;
  delete(collection: string, id: string | number): Promise<boolean>;
}

/** Whether the transaction that some code was started in is still open. */
interface Scope {
  open: boolean;
}

/** The first wait before `fn` is run again, in milliseconds; it doubles, with full jitter. */
const RETRY_BASE_MS = 5;
const RETRY_MAX_MS = 500;

/** Runs functions as transactions, and again where the engine asks for it (serialization failures, deadlocks). */
export class Transactions {
  readonly #connections: Connections;
  readonly #reader: Reader;
  readonly #writer: Writer;
  readonly #makeId: () => string;
  readonly #clock: Clock;
  readonly #context = new AsyncLocalStorage<Scope>();
  #open = 0;

  constructor(connections: Connections, reader: Reader, writer: Writer, makeId: () => string, clock: Clock) {
    this.#clock = clock;
    this.#connections = connections;
    this.#reader = reader;
    this.#writer = writer;
    this.#makeId = makeId;
  }

  /**
   * Throws where the caller is inside a transaction whose connection `what` would wait for: it would never
   * get it. Costs nothing while no transaction is open.
   */
  refuseInside(what: string): void {
    if (this.#open === 0 || this.#context.getStore()?.open !== true) return;
    throw new FormDBError(
      "FORMDB_UNSUPPORTED",
      `${what} can't be called inside a transaction, whose connection it would wait for; use the transaction's own methods`,
    );
  }

  /** True while the caller is inside a transaction. */
  get inside(): boolean {
    return this.#open > 0 && this.#context.getStore()?.open === true;
  }

  async run<T>(
    fn: (transaction: Transaction) => Promise<T>,
    options: TransactionOptions = {},
    times: QueryTimes = { waitMs: 0, databaseMs: 0, decodeMs: 0 },
  ): Promise<T> {
    if (typeof fn !== "function") {
      throw new FormDBError("FORMDB_CONFIG", `A transaction needs a function to run, not ${String(fn)}`);
    }
    checkOptions("transaction()", options, {
      isolation: oneOf("read committed", "repeatable read", "serializable"),
      maxRetries: integer(0, 1_000),
      signal: object,
      timeoutMs: milliseconds,
    });
    if (this.inside) {
      throw new FormDBError(
        "FORMDB_UNSUPPORTED",
        "A transaction can't be begun inside another; pass the outer one's object on and use it",
      );
    }
    const maxRetries = options.maxRetries ?? 3;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#once(fn, options, times);
      } catch (error) {
        if (attempt >= maxRetries || !mayRunAgain(error) || options.signal?.aborted) throw error;
      }
      const capMs = Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** attempt);
      const pause = new Promise<void>((resolve) => {
        this.#clock.schedule(resolve, Math.random() * capMs);
      });
      await bounded("The transaction", pause, this.#clock, { signal: options.signal });
    }
  }

  async #once<T>(
    fn: (transaction: Transaction) => Promise<T>,
    options: TransactionOptions,
    times: QueryTimes,
  ): Promise<T> {
    const { signal, timeoutMs, isolation } = options;
    const waiting = new Stopwatch(this.#clock);
    const inDatabase = new Stopwatch(this.#clock);
    waiting.start();
    try {
      return await this.#connections.use("write", { signal, timeoutMs }, async (connection) => {
        waiting.stop();
        inDatabase.start();
        const scope: Scope = { open: true };
        this.#open++;
        try {
          const transaction = new OpenTransaction(
            connection,
            this.#reader,
            this.#writer,
            this.#makeId,
            inDatabase,
          );
          const result = await inTransaction(connection, isolation, async () => {
            inDatabase.stop();
            try {
              return await this.#context.run(scope, () => fn(transaction));
            } finally {
              await transaction.end();
              inDatabase.start();
              throwIfAborted("The transaction", signal);
            }
          });
          this.#writer.created(transaction.made);
          return result;
        } finally {
          inDatabase.stop();
          scope.open = false;
          this.#open--;
        }
      });
    } finally {
      times.waitMs += waiting.stop();
      times.databaseMs += inDatabase.stop();
    }
  }
}

/** The engine asked for another try, and nothing of this one was kept. */
function mayRunAgain(error: unknown): boolean {
  return (
    error instanceof FormDBError &&
    error.outcome !== "unknown" &&
    error.retryable &&
    (error.code === "FORMDB_SERIALIZATION" ||
      error.code === "FORMDB_BUSY" ||
      error.code === "FORMDB_STALE_PLAN")
  );
}

/** Measures the time in which it runs, however often it is started and stopped. */
class Stopwatch {
  readonly #clock: Clock;
  #since: number | undefined;
  #totalMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  start(): void {
    this.#since ??= this.#clock.now();
  }

  /** Gives all the time so far. */
  stop(): number {
    if (this.#since !== undefined) this.#totalMs += this.#clock.now() - this.#since;
    this.#since = undefined;
    return this.#totalMs;
  }
}

class OpenTransaction implements Transaction {
  readonly #inDatabase: Stopwatch;
  readonly #connection: Connection;
  readonly #reader: Reader;
  readonly #writer: Writer;
  readonly #makeId: () => string;
  readonly #underWay = new Set<Promise<unknown>>();
  /** The collections that the transaction has made. */
  readonly made = new Set<string>();
  #ended = false;

  constructor(
    connection: Connection,
    reader: Reader,
    writer: Writer,
    makeId: () => string,
    inDatabase: Stopwatch,
  ) {
    this.#inDatabase = inDatabase;
    this.#connection = connection;
    this.#reader = reader;
    this.#writer = writer;
    this.#makeId = makeId;
  }

  /** Takes no more calls, and resolves when those under way, awaited or not, have ended. */
  async end(): Promise<void> {
    this.#ended = true;
    await Promise.allSettled(this.#underWay);
  }

  query(text: string, parameters: Parameters = [], options: CallOptions = {}): Promise<QueryResult> {
    return this.#call(async () => {
      const planned = this.#reader.plan(text);
      const { plan, values } = planned;
      switch (plan.kind) {
        case "select":
        case "update":
        case "delete":
          await this.#need(plan.collections[0]!);
          return this.#reader.runOn(this.#connection, planned, parameters, options);
        case "insert": {
          const [document] = plan.bind(values, parameters);
          const id = await this.#put("insert", plan.collections[0]!, document);
          return { rows: [{ id }], rowCount: 1 };
        }
        default:
          throw new FormDBError(
            "FORMDB_UNSUPPORTED",
            `A transaction takes SELECT, INSERT, UPDATE and DELETE, not ${plan.shape}`,
          );
      }
    });
  }

  get(collection: string, id: string | number): Promise<Document | undefined> {
    return this.#call(async () => {
      const key = encodeId(id);
      await this.#need(checkCollectionName(collection));
      const [found] = await this.#connection.getMany(collection, [key]);
      return found === undefined ? undefined : toDocument(found);
    });
  }

  insert(collection: string, document: unknown): Promise<string> {
    return this.#call(() => this.#put("insert", collection, document));
  }

  upsert(collection: string, document: unknown): Promise<string> {
    return this.#call(() => this.#put("upsert", collection, document));
  }

  update(collection: string, id: string | number, patch: unknown): Promise<void> {
    return this.#call(async () => {
      await this.#write("update", collection, encodeId(id), encodeDocument(patch));
    });
  }

  delete(collection: string, id: string | number): Promise<boolean> {
    return this.#call(async () => {
      const { found } = await this.#write("delete", collection, encodeId(id), "");
      return found ?? true;
    });
  }

  async #put(kind: "insert" | "upsert", collection: string, document: unknown): Promise<string> {
    const json = encodeDocument(document);
    const given = (document as { id?: unknown }).id;
    const id = given === undefined ? this.#makeId() : encodeId(given);
    await this.#write(kind, collection, id, json);
    return id;
  }

  async #write(kind: WriteKind, collection: string, id: string, json: string): ReturnType<typeof writeOne> {
    if (!this.made.has(checkCollectionName(collection))) {
      const made = await this.#writer.ensureCollectionOn(this.#connection, kind, collection);
      if (made) this.made.add(collection);
    }
    const result = await writeOne(this.#connection, kind, collection, id, json);
    if (result.error !== undefined) throw result.error;
    return result;
  }

  async #need(collection: string): Promise<void> {
    if (!this.made.has(collection)) await this.#writer.needCollectionOn(this.#connection, collection);
  }

  /** Runs one call as a part of the transaction, which does not end before it. */
  async #call<T>(work: () => Promise<T>): Promise<T> {
    if (this.#ended) {
      throw new FormDBError(
        "FORMDB_CLOSED",
        "The transaction has ended; its methods can't be called any more",
      );
    }
    this.#inDatabase.start();
    const call = work();
    this.#underWay.add(call);
    try {
      return await call;
    } finally {
      this.#underWay.delete(call);
      if (this.#underWay.size === 0 && !this.#ended) this.#inDatabase.stop();
    }
  }
}
