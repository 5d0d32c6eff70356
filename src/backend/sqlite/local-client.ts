import { type CallOptions, throwIfAborted } from "../../base/abort.ts";
import { FormDBError } from "../../base/errors.ts";
import { turnIfDue } from "../../base/loop-turn.ts";
import { answer } from "./answer.ts";
import { sqliteError } from "./errors.ts";
import type { SqliteSession } from "./session.ts";
import {
  mayWrite,
  type RequestKind,
  type RequestOf,
  type SessionClient,
  type SessionResults,
} from "./session-protocol.ts";

/**
 * Answers a connection's requests on the caller's thread, by a session that several connections share and that none
 * of them closes: that of a database in memory.
 */
export class LocalClient implements SessionClient {
  readonly #session: SqliteSession;
  readonly local: boolean = true;
  onLost: ((error: Error) => void) | undefined;

  constructor(session: SqliteSession) {
    this.#session = session;
  }

  /** Until the database is closed, whose session it is. */
  get usable(): boolean {
    return this.#session.isOpen;
  }

  /** Nothing can end a request once it runs: its signal is looked at before. */
  async request<K extends RequestKind>(
    what: string,
    request: RequestOf<K>,
    options?: CallOptions,
  ): Promise<SessionResults[K]> {
    throwIfAborted(what, options?.signal);
    if (!this.usable) {
      throw new FormDBError("FORMDB_CONNECTION_LOST", `${what} failed: the database in memory is closed`, {
        details: mayWrite(request) ? { outcome: "rejected" } : {},
      });
    }
    let result: SessionResults[K];
    try {
      result = answer(this.#session, request);
    } catch (error) {
      throw sqliteError(what, this.#session.failureOf(error), { cause: error, writes: mayWrite(request) });
    }
    const turn = turnIfDue();
    if (turn !== undefined) await turn;
    return result;
  }

  async close(): Promise<void> {
    try {
      this.#session.rollback();
    } catch {
      // The next request that needs a state without a transaction is refused and says so.
    }
  }
}
