import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";
import type { IsolationLevel } from "../backend/backend.ts";
import { beforeSending, FormDBError, messageOf, noteDetail } from "../base/errors.ts";
import { CALL_BOUNDS, checkOptions, configError, integer, oneOf, show } from "../base/options.ts";
import { Stopwatch } from "../base/stopwatch.ts";
import { type Connections, isPoolTimeout } from "./connections.ts";
import { inTransaction } from "./in-transaction.ts";
import { OpenTransaction, type TransactionTools } from "./open-transaction.ts";
import type { QueryTimes } from "./reporter.ts";
import { TransactionLimit } from "./transaction-limit.ts";

/** How a transaction runs. */
export interface TransactionOptions {
  /**
   * Default: the strictest level of the engine, `serializable` but on DSQL. SQLite and DSQL have only one.
   * docs/transactions.md says what each level guarantees.
   */
  readonly isolation?: IsolationLevel | undefined;
  /** How often `fn` is run again when the engine asks for it. Default 100 after conflicts, 3 after other causes. */
  readonly maxRetries?: number | undefined;
  /** Ends the transaction and rolls it back. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from the call to the end, the wait for a connection and every repetition included. Default no bound. */
  readonly timeoutMs?: number | undefined;
}

/** What transactions have in common. */
type TransactionParts = Omit<TransactionTools, "connection" | "signal">;

/** A transaction, for the code that it has started. */
interface Scope {
  /** Whether it still holds its connection. */
  open: boolean;
  /** Calls under way that this code has made on the database, beside the transaction. */
  beside: number;
}

/** The first wait before `fn` is run again, in milliseconds; it doubles, with full jitter. */
const RETRY_BASE_MS = 5;
const RETRY_MAX_MS = 500;
/** Fifty callers that change one document at once need at most 12 (docs/decisions/0083-transactions-are-serializable.md). */
const MAX_CONFLICT_RETRIES = 100;
const MAX_OTHER_RETRIES = 3;

/** Runs functions as transactions, and again where the engine asks for it (serialization failures, deadlocks). */
export class Transactions {
  readonly #connections: Connections;
  readonly #tools: TransactionParts;
  readonly #reporter: TransactionParts["reporter"];
  readonly #context = new AsyncLocalStorage<Scope>();
  #open = 0;
  /** Open transactions whose code has called the database itself and may wait for a second connection. */
  #waiting = 0;

  constructor(connections: Connections, tools: TransactionParts) {
    this.#reporter = tools.reporter;
    this.#connections = connections;
    this.#tools = tools;
  }

  /**
   * Throws where the caller is inside a transaction whose connection `what` would wait for: it would never
   * get it. Costs nothing while no transaction is open.
   */
  refuseInside(what: string, instead = "use the transaction's own methods"): void {
    if (this.#scope === undefined) return;
    throw new FormDBError(
      "FORMDB_UNSUPPORTED",
      `${what} can't be called inside a transaction, whose connection it would wait for; ${instead}`,
    );
  }

  /**
   * Throws if every connection is held by a transaction that waits for one more, the caller's own included: none would
   * ever get one.
   */
  refuseWaiting(what: string): void {
    const scope = this.#scope;
    if (scope === undefined) return;
    const connections = this.#connections.deadlockAt;
    if (this.#waiting + (scope.beside === 0 ? 1 : 0) < connections) return;
    const held =
      connections === 1
        ? "it holds the only connection"
        : `all ${connections} connections are held like its own`;
    throw new FormDBError(
      "FORMDB_UNSUPPORTED",
      `${what} on the database can't be called inside a transaction here: ${held}, so that it would wait for itself; ` +
        "use the transaction's own methods",
    );
  }

  /** Runs a call that the code of a transaction makes on the database itself, which needs a second connection. */
  async beside<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.refuseWaiting(what);
    const scope = this.#scope!;
    if (scope.beside++ === 0) this.#waiting++;
    try {
      return await work();
    } catch (error) {
      throw isPoolTimeout(error) ? waitedInside(what, error) : error;
    } finally {
      if (--scope.beside === 0 && scope.open) this.#waiting--;
    }
  }

  get #scope(): Scope | undefined {
    const scope = this.#open === 0 ? undefined : this.#context.getStore();
    return scope?.open === true ? scope : undefined;
  }

  /** True while the caller is inside a transaction. */
  get inside(): boolean {
    return this.#scope !== undefined;
  }

  async run<T>(
    fn: (transaction: OpenTransaction) => Promise<T>,
    options: TransactionOptions = {},
    times: QueryTimes = { waitMs: 0, databaseMs: 0, decodeMs: 0 },
  ): Promise<T> {
    beforeSending(() => this.#check(fn, options));
    const limit = new TransactionLimit(this.#reporter.clock, options);
    let failure: unknown;
    try {
      for (let attempt = 0; ; attempt++) {
        try {
          return await this.#once(fn, options.isolation, limit, times);
        } catch (error) {
          if (!limit.ended && !(await this.#mayRunAgain(error, attempt, options.maxRetries, limit))) {
            throw attempt > 0 || isConflict(error) ? noteDetail(error, "attempts", attempt + 1) : error;
          }
          limit.check();
          failure = error;
        }
        await limit.race(this.#pause(attempt));
      }
    } catch (error) {
      throw noteDetail(limit.errorFor(error, failure), "outcome", "rejected");
    } finally {
      limit[Symbol.dispose]();
    }
  }

  #check(fn: unknown, options: TransactionOptions): void {
    if (typeof fn !== "function") {
      throw configError(`A transaction needs a function to run, not ${show(fn)}`);
    }
    checkOptions(
      "transaction()",
      options,
      {
        isolation: oneOf("read committed", "repeatable read", "serializable"),
        maxRetries: integer(0, 1_000),
        ...CALL_BOUNDS,
      },
      { isolation: ["isolationlevel", "level"], maxRetries: ["retries", "attempts"] },
    );
    if (this.inside) {
      throw new FormDBError(
        "FORMDB_UNSUPPORTED",
        "A transaction can't be begun inside another; pass the outer one's object on and use it",
      );
    }
  }

  /** Whether the engine asked for another try, nothing of this one was kept, and there are tries left. */
  async #mayRunAgain(
    error: unknown,
    attempt: number,
    maxRetries: number | undefined,
    limit: TransactionLimit,
  ): Promise<boolean> {
    if (!(error instanceof FormDBError) || error.outcome === "unknown") return false;
    // Not to get a lock within the time that the transaction was begun with is a conflict too.
    const code = error.sqlstate === "55P03" ? "FORMDB_SERIALIZATION" : error.code;
    switch (code) {
      case "FORMDB_SERIALIZATION":
        return error.retryable && attempt < (maxRetries ?? MAX_CONFLICT_RETRIES);
      case "FORMDB_BUSY":
      case "FORMDB_CONNECTION_LOST":
      case "FORMDB_STALE_PLAN":
        return error.retryable && attempt < (maxRetries ?? MAX_OTHER_RETRIES);
      default:
        return (
          attempt < (maxRetries ?? MAX_CONFLICT_RETRIES) &&
          (await this.#tools.catalog.wasMadeMeanwhile(error, limit.left).catch(() => false))
        );
    }
  }

  /** What a transaction gives whose commit was sent and not answered: by its token, unless there was nothing to commit. */
  async #afterLostCommit<T>(
    error: FormDBError,
    { result, made, wrote, token }: SentCommit<T>,
    limit: TransactionLimit,
  ): Promise<T> {
    if (!wrote) throw notCommitted(error);
    if (token === undefined) throw error;
    for (let failures = 0; ; ) {
      try {
        const bounds = limit.left;
        const committed = await this.#connections.use("write", bounds, (connection) =>
          connection.wasCommitted!(token, bounds),
        );
        if (!committed) break;
        this.#tools.catalog.created(made);
        return result;
      } catch (cause) {
        // Asking changes nothing.
        const mayAsk = cause instanceof FormDBError && (cause.retryable || isUnknown(cause)) && !limit.ended;
        if (!mayAsk || failures++ === MAX_OTHER_RETRIES) throw unknownError(error, cause);
      }
      await limit.race(this.#pause(failures)).catch(() => {});
    }
    throw notCommitted(error);
  }

  #pause(attempt: number): Promise<void> {
    const capMs = Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** attempt);
    return new Promise((resolve) => {
      this.#reporter.clock.schedule(resolve, Math.random() * capMs);
    });
  }

  async #once<T>(
    fn: (transaction: OpenTransaction) => Promise<T>,
    isolation: IsolationLevel | undefined,
    limit: TransactionLimit,
    times: QueryTimes,
  ): Promise<T> {
    const { signal } = limit;
    let sent: SentCommit<T> | undefined;
    const waiting = new Stopwatch(this.#reporter.clock);
    const inDatabase = new Stopwatch(this.#reporter.clock);
    waiting.start();
    try {
      return await this.#connections.use("write", limit.left, async (connection) => {
        waiting.stop();
        inDatabase.start();
        const scope: Scope = { open: true, beside: 0 };
        this.#open++;
        try {
          const transaction = new OpenTransaction({ connection, ...this.#tools, signal }, inDatabase);
          const terms = {
            isolation: isolation ?? this.#connections.strictestIsolation,
            signal,
            beforeCommit: (result: T) => {
              const { made, wrote } = transaction;
              const token = wrote && this.#connections.commitTokens ? randomUUID() : undefined;
              sent = { result, made, wrote, token };
              return token;
            },
          };
          const result = await inTransaction(connection, terms, async () => {
            inDatabase.stop();
            try {
              const given = await limit.race(this.#context.run(scope, async () => fn(transaction)));
              await transaction.finish();
              return given;
            } finally {
              await transaction.end();
              inDatabase.start();
              limit.check();
            }
          });
          this.#tools.catalog.created(transaction.made);
          return result;
        } finally {
          inDatabase.stop();
          scope.open = false;
          this.#open--;
          if (scope.beside > 0) this.#waiting--;
        }
      });
    } catch (error) {
      if (sent === undefined || limit.ended || !isUnknown(error)) throw error;
      return await this.#afterLostCommit(error, sent, limit);
    } finally {
      times.waitMs += waiting.stop();
      times.databaseMs += inDatabase.stop();
    }
  }
}

/** A commit that is on its way. */
interface SentCommit<T> {
  readonly result: T;
  /** The collections that the transaction has made. */
  readonly made: ReadonlySet<string>;
  readonly wrote: boolean;
  readonly token: string | undefined;
}

function isConflict(error: unknown): boolean {
  return error instanceof FormDBError && error.code === "FORMDB_SERIALIZATION";
}

function isUnknown(error: unknown): error is FormDBError {
  return error instanceof FormDBError && error.outcome === "unknown";
}

function unknownError(error: FormDBError, cause: unknown): FormDBError {
  const message = `${error.message}. The token of the transaction could not be looked up either: ${messageOf(cause)}`;
  return new FormDBError(error.code, message, { cause, retryable: false, details: { ...error } });
}

/** Nothing was committed, so that the transaction may be run again. */
function notCommitted(error: FormDBError): FormDBError {
  const message = "The transaction was not committed: its connection was lost before the server had done so";
  return new FormDBError(error.code, message, {
    cause: error,
    retryable: true,
    details: { ...error, outcome: "rejected" },
  });
}

/** Trying again would not help: the transaction holds what it waits for. */
function waitedInside(what: string, { message, ...details }: FormDBError): FormDBError {
  return new FormDBError(
    "FORMDB_POOL_TIMEOUT",
    `${message}. The call was ${what} on the database inside a transaction, which holds a connection itself: use the ` +
      "transaction's own methods",
    { cause: details.cause, retryable: false, details },
  );
}
