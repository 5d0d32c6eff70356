import { abortedError, bounded, type CallOptions, remaining, timeoutError } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { FormDBError } from "../base/errors.ts";

/**
 * What ends a transaction before its function does: its caller's signal, or its time, which runs from the call to
 * the end, waiting and repetitions included. Must be disposed of.
 */
export class TransactionLimit implements Disposable {
  readonly #clock: Clock;
  readonly #controller: AbortController = new AbortController();
  readonly #bounds: CallOptions;
  readonly #start: number;
  readonly #cleanUp: () => void;
  #reason: FormDBError | undefined;

  constructor(clock: Clock, bounds: CallOptions) {
    this.#clock = clock;
    this.#bounds = bounds;
    this.#start = clock.now();
    const { signal, timeoutMs = Infinity } = bounds;
    const onAbort = (): void => this.#end(abortedError("The transaction", signal!));
    const timer =
      timeoutMs === Infinity
        ? undefined
        : clock.schedule(() => this.#end(timeoutError("The transaction", timeoutMs)), timeoutMs);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
    this.#cleanUp = () => {
      timer?.cancel();
      signal?.removeEventListener("abort", onAbort);
    };
  }

  /** Fires at the end; undefined where there is no limit. */
  get signal(): AbortSignal | undefined {
    const { signal, timeoutMs = Infinity } = this.#bounds;
    return signal === undefined && timeoutMs === Infinity ? undefined : this.#controller.signal;
  }

  /** The bounds of what is done now: the signal, and what is left of the time. */
  get left(): CallOptions {
    const { signal } = this;
    const { timeoutMs = Infinity } = this.#bounds;
    return timeoutMs === Infinity
      ? { signal }
      : remaining({ signal, timeoutMs }, this.#clock.now() - this.#start);
  }

  get ended(): boolean {
    return this.#reason !== undefined;
  }

  check(): void {
    if (this.#reason !== undefined) throw this.#reason;
  }

  /** Settles as `work` does, unless the end comes first. The work goes on. */
  race<T>(work: Promise<T>): Promise<T> {
    return bounded("The transaction", work, this.#clock, { signal: this.signal });
  }

  /** The error to report: once the end has come, it is that, whatever failed because of it. */
  errorFor(failure: unknown, earlier: unknown): unknown {
    const reason = this.#reason;
    if (reason === undefined) return failure;
    const outcome = failure instanceof FormDBError ? failure.outcome : undefined;
    return new FormDBError(reason.code, reason.message, {
      cause: reason.cause ?? earlier ?? (failure === reason ? undefined : failure),
      details: { ...reason, outcome: outcome ?? "rejected" },
    });
  }

  [Symbol.dispose](): void {
    this.#cleanUp();
  }

  #end(reason: FormDBError): void {
    this.#reason ??= reason;
    this.#controller.abort(reason);
  }
}
