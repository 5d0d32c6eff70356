import { abortedError, type CallOptions, timeoutError } from "../../base/abort.ts";
import type { EngineStatement } from "../../base/engine-statement.ts";
import { FormDBError } from "../../base/errors.ts";
import { Cancelling } from "./cancel-request.ts";
import type { PostgresSettings } from "./postgres-options.ts";
import type { Flight } from "./translate-error.ts";
import type { WireClient } from "./wire.ts";

/**
 * Bounds a call by its signal and its time: at the end of either it asks the server to cancel, and when that
 * has no effect it closes the connection.
 */
export class CallGuard {
  readonly #client: WireClient;
  readonly #settings: PostgresSettings;
  readonly #isWorking: () => boolean;
  readonly #cleanUp: (() => void)[] = [];
  #cancelling: Cancelling | undefined;
  /** Why the call was cancelled; undefined while it was not. */
  reason: FormDBError | undefined;

  constructor(
    client: WireClient,
    settings: PostgresSettings,
    { signal, timeoutMs }: CallOptions,
    statement: EngineStatement,
    isWorking: () => boolean = () => true,
  ) {
    this.#client = client;
    this.#settings = settings;
    this.#isWorking = isWorking;
    const outcome = statement.returnsRows && statement.writes !== true ? {} : { outcome: "rejected" };
    if (signal !== undefined) {
      const onAbort = (): void => this.#cancel(withDetails(abortedError("The statement", signal), outcome));
      signal.addEventListener("abort", onAbort, { once: true });
      this.#cleanUp.push(() => signal.removeEventListener("abort", onAbort));
    }
    if (timeoutMs !== undefined) {
      const error = (): FormDBError => withDetails(timeoutError("The statement", timeoutMs), outcome);
      const timer = settings.clock.schedule(() => this.#cancel(error()), timeoutMs);
      this.#cleanUp.push(() => timer.cancel());
    }
  }

  /** Throws where the call was cancelled meanwhile. */
  check(): void {
    if (this.reason !== undefined) throw this.reason;
  }

  /** The reason for a cancelled statement's error. Where the connection had to be closed, the error itself tells. */
  reasonFor(error: unknown, flight: Flight): FormDBError | undefined {
    if (this.reason === undefined) return undefined;
    if (this.#cancelling?.isForced !== true)
      return (error as { code?: string }).code === "57014" ? this.reason : undefined;
    // With the connection an open transaction has ended.
    const { outcome } = this.reason;
    return withDetails(this.reason, {
      fatal: true,
      outcome: outcome === undefined || flight === "in-transaction" ? outcome : "unknown",
    });
  }

  /** Settles when no cancel request is on its way any more, so that it can't hit the next statement. */
  async end(): Promise<void> {
    for (const clean of this.#cleanUp) clean();
    await this.#cancelling?.end();
  }

  #cancel(reason: FormDBError): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    // A stream whose caller has not read on is ended by that caller, who is told by `check`.
    if (!this.#isWorking()) return;
    const { clock, cancelTimeoutMs } = this.#settings;
    this.#cancelling = new Cancelling(this.#client, clock, cancelTimeoutMs);
  }
}

function withDetails(error: FormDBError, details: Record<string, unknown>): FormDBError {
  return new FormDBError(error.code, error.message, {
    cause: error.cause,
    retryable: error.retryable,
    details: { ...error, ...details },
  });
}
