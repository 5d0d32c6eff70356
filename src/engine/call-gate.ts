import { type CallOptions, NO_BOUNDS, throwIfAborted } from "../base/abort.ts";
import { FormDBError } from "../base/errors.ts";
import { CALL_BOUNDS, checkOptions } from "../base/options.ts";
import type { Answer } from "./answer.ts";
import type { CallsUnderWay } from "./calls-under-way.ts";
import type { Transactions } from "./transaction.ts";

/** What a database does around each call: it takes none once it is closed, and is not closed before those under way have ended. */
export class CallGate {
  readonly #calls: CallsUnderWay;
  readonly #transactions: Transactions;
  #closed = false;

  constructor(calls: CallsUnderWay, transactions: Transactions) {
    this.#calls = calls;
    this.#transactions = transactions;
  }

  /** Takes no more calls from here on. */
  close(): void {
    this.#closed = true;
  }

  /** Throws if the call can't be made now, or not with these options. */
  check(what: string, options: CallOptions = NO_BOUNDS): void {
    if (this.#closed) {
      throw new FormDBError("FORMDB_CLOSED", `${what} can't be called: the database is closed`);
    }
    if (options === NO_BOUNDS) return;
    checkOptions(what, options, CALL_BOUNDS);
    throwIfAborted(what, options.signal);
  }

  /** Runs a read; closing waits for it, if it is not answered at once. */
  run<T>(what: string, work: () => Answer<T>): Answer<T> {
    if (this.#transactions.inside) {
      return this.#calls.run(() => this.#transactions.beside(what, async () => work()));
    }
    const answer = work();
    return answer instanceof Promise ? this.#calls.track(answer) : answer;
  }
}
