import { AsyncLocalStorage } from "node:async_hooks";
import type { IsolationLevel } from "../backend/backend.ts";
import { bounded, throwIfAborted } from "../base/abort.ts";
import { FormDBError } from "../base/errors.ts";
import { abortSignal, checkOptions, integer, milliseconds, oneOf } from "../base/options.ts";
import { Stopwatch } from "../base/stopwatch.ts";
import type { Connections } from "./connections.ts";
import { inTransaction } from "./in-transaction.ts";
import { OpenTransaction, type Transaction } from "./open-transaction.ts";
import type { Reader } from "./read.ts";
import type { QueryTimes, Reporter } from "./reporter.ts";
import type { Writer } from "./write.ts";

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
  readonly #reporter: Reporter;
  readonly #context = new AsyncLocalStorage<Scope>();
  #open = 0;

  constructor(
    connections: Connections,
    reader: Reader,
    writer: Writer,
    makeId: () => string,
    reporter: Reporter,
  ) {
    this.#reporter = reporter;
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
      signal: abortSignal,
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
        this.#reporter.clock.schedule(resolve, Math.random() * capMs);
      });
      await bounded("The transaction", pause, this.#reporter.clock, { signal: options.signal });
    }
  }

  async #once<T>(
    fn: (transaction: Transaction) => Promise<T>,
    options: TransactionOptions,
    times: QueryTimes,
  ): Promise<T> {
    const { signal, timeoutMs, isolation } = options;
    const waiting = new Stopwatch(this.#reporter.clock);
    const inDatabase = new Stopwatch(this.#reporter.clock);
    waiting.start();
    try {
      return await this.#connections.use("write", { signal, timeoutMs }, async (connection) => {
        waiting.stop();
        inDatabase.start();
        const scope: Scope = { open: true };
        this.#open++;
        try {
          const transaction = new OpenTransaction(
            {
              connection,
              reader: this.#reader,
              writer: this.#writer,
              makeId: this.#makeId,
              reporter: this.#reporter,
            },
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
