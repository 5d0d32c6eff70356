import { FormDBError } from "../base/errors.ts";
import { configError, show } from "../base/options.ts";
import type { PoolCore } from "./core.ts";
import { isThenable } from "./tasks.ts";

/** Opening one resource. */
export interface Attempt {
  readonly id: number;
  readonly startedAt: number;
  readonly generation: number;
  readonly abort: AbortController;
}

/** What the pool does with what the connector brings. */
export interface ConnectorOwner<T> {
  attemptStarted(attempt: Attempt): void;
  /** Gives the error for a resource that can't be used after all; then `attemptFailed` follows. */
  attemptSucceeded(attempt: Attempt, resource: T): unknown;
  attemptFailed(attempt: Attempt, error: unknown): void;
  /** A resource arrived after its time: nobody wants it. */
  attemptTooLate(resource: T): void;
}

/**
 * Opens resources: a few at a time, and after a failure one at a time with doubling, jittered pauses, so that
 * a database that comes back is not stormed. It remembers how connecting has gone of late.
 */
export class Connector<T> {
  readonly #core: PoolCore<T>;
  /** What is being opened, and how to end it at once. */
  readonly #attempts: Map<Attempt, (error: unknown) => void> = new Map();
  #lastId = 0;
  #generation = 0;
  #lastError: unknown = undefined;
  #lastErrorAt: number = -Infinity;
  /** Failures in a row; concurrent ones count once. */
  #failures = 0;
  /** Connections in a row that were lost before anyone had them. */
  #losses = 0;
  #failedAt: number = -Infinity;
  #retryAt: number = -Infinity;
  /** The last failure said that trying again as it is makes no sense. */
  #final = false;

  constructor(core: PoolCore<T>) {
    this.#core = core;
  }

  get opening(): number {
    return this.#attempts.size;
  }

  /** Entries of an earlier generation are stale. */
  get generation(): number {
    return this.#generation;
  }

  /** When a new attempt may be made, if not now. */
  get nextAttemptAt(): number {
    return this.#retryAt;
  }

  /** Whether connecting failed so often that those who wait should know. */
  get hopeless(): boolean {
    return this.#final || this.#failures >= this.#core.settings.connectAttempts;
  }

  get lastError(): unknown {
    return this.#lastError;
  }

  /** The last error, unless it was before `since` and connecting works again: that explains nothing. */
  errorSince(since: number): unknown {
    return this.#failures > 0 || this.#lastErrorAt >= since ? this.#lastError : undefined;
  }

  /** Opens up to `wanted` resources for `owner`, who has `room` for as many. */
  open(wanted: number, room: number, owner: ConnectorOwner<T>): void {
    const { clock, maxConnecting } = this.#core.settings;
    const free = Math.min(room, maxConnecting) - this.opening;
    const now = clock.now();
    let missing = Math.min(wanted, free);
    if (this.#failures > 0) missing = this.opening === 0 && this.#retryAt <= now ? Math.min(missing, 1) : 0;
    for (; missing > 0; missing--) this.#start(now, owner);
  }

  /** What is open or being opened now is stale from here on. */
  startGeneration(): void {
    this.#generation++;
  }

  /** Tells all attempts that nobody wants them any more. */
  abortAll(reason: FormDBError): void {
    for (const { abort } of this.#attempts.keys()) abort.abort(reason);
  }

  /** Ends all attempts at once, whatever `create` does; what still arrives is too late. */
  interruptAll(reason: FormDBError): void {
    this.abortAll(reason);
    for (const end of [...this.#attempts.values()]) end(reason);
  }

  /** A connection was lost before anyone had it: a server that accepts only to drop is as good as none. */
  lostUnused(openedAt: number, error: unknown): void {
    this.#failures = this.#losses++;
    this.#blame(openedAt, error);
  }

  /** A connection served somebody. */
  worked(): void {
    this.#losses = 0;
  }

  /** A connection was opened that can be used. */
  succeeded(): void {
    this.#failures = 0;
    this.#retryAt = -Infinity;
    this.#final = false;
  }

  #start(now: number, owner: ConnectorOwner<T>): void {
    const { settings, tasks } = this.#core;
    const abort = new AbortController();
    const attempt: Attempt = { id: ++this.#lastId, startedAt: now, generation: this.#generation, abort };
    this.#attempts.set(attempt, () => {});
    owner.attemptStarted(attempt);
    // Always through a promise: an attempt never ends before the call that started it.
    const work = new Promise<T>((resolve) => resolve(settings.create(abort.signal)));
    const end = tasks.watch(
      { what: "Opening a connection", timeoutMs: settings.connectTimeoutMs, now },
      work,
      (error, resource) => this.#ended(attempt, owner, error, resource),
      (resource) => owner.attemptTooLate(resource),
    );
    this.#attempts.set(attempt, end);
  }

  #ended(attempt: Attempt, owner: ConnectorOwner<T>, error: unknown, resource: T | undefined): void {
    this.#attempts.delete(attempt);
    if (error === undefined && (resource === undefined || resource === null || isThenable(resource))) {
      error = configError(`A pool's create must give a resource, not ${show(resource)}`);
    }
    if (error === undefined) error = owner.attemptSucceeded(attempt, resource as T);
    if (error === undefined) return;
    const aborted = attempt.abort.signal.aborted;
    attempt.abort.abort(error);
    if (!aborted) this.#blame(attempt.startedAt, error);
    owner.attemptFailed(attempt, error);
  }

  /** Connecting failed: what began before that was known met the same trouble, which counts once. */
  #blame(startedAt: number, error: unknown): void {
    const { clock, connectBackoffMs, connectBackoffMaxMs, random } = this.#core.settings;
    const now = clock.now();
    this.#lastError = error;
    this.#lastErrorAt = now;
    if (startedAt > this.#failedAt || this.#failures === 0) this.#failures++;
    this.#failedAt = now;
    this.#final = error instanceof FormDBError && !error.retryable && error.code !== "FORMDB_TIMEOUT";
    const pauseMs = Math.min(connectBackoffMaxMs, connectBackoffMs * 2 ** Math.min(this.#failures - 1, 30));
    this.#retryAt = now + pauseMs * (0.5 + random() / 2);
  }
}
