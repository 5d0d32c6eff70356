import { FormDBError } from "../base/errors.ts";
import { configError, show } from "../base/options.ts";
import type { Host } from "./host.ts";
import type { PoolSettings } from "./options.ts";
import { isThenable, type Tasks } from "./tasks.ts";

/** Opening one resource. */
export interface Attempt<T> {
  readonly id: number;
  readonly host: Host<T>;
  readonly startedAt: number;
  readonly generation: number;
  /** Only finds out whether a host that failed works again; nobody counts on it. */
  readonly probe: boolean;
  readonly abort: AbortController;
}

/** What the pool does with what the connector brings. */
export interface ConnectorOwner<T> {
  attemptStarted(attempt: Attempt<T>): void;
  /** Gives the error for a resource that can't be used after all; then `attemptFailed` follows. */
  attemptSucceeded(attempt: Attempt<T>, resource: T): unknown;
  attemptFailed(attempt: Attempt<T>, error: unknown): void;
  /** A resource arrived after its time: nobody wants it. */
  attemptTooLate(resource: T): void;
}

/**
 * Opens resources for a pool: where fewest are, a few at a time, and after a failure one at a time with
 * doubling, jittered pauses, so that a database that comes back is not stormed. Callers never open anything
 * themselves (as in HikariCP).
 */
export class Connector<T> {
  readonly #settings: PoolSettings<T>;
  readonly #hosts: readonly Host<T>[];
  readonly #tasks: Tasks;
  readonly #attempts: Set<Attempt<T>> = new Set();
  #probes = 0;
  #lastId = 0;
  lastError: unknown = undefined;
  lastErrorAt: number = -Infinity;

  constructor(settings: PoolSettings<T>, hosts: readonly Host<T>[], tasks: Tasks) {
    this.#settings = settings;
    this.#hosts = hosts;
    this.#tasks = tasks;
  }

  get opening(): number {
    return this.#attempts.size;
  }

  /** Attempts that somebody may count on. */
  get promising(): number {
    return this.#attempts.size - this.#probes;
  }

  /** Opens up to `wanted` resources for `owner`, who has `room` for so many. */
  open(wanted: number, room: number, generation: number, owner: ConnectorOwner<T>): void {
    let free = Math.min(room, this.#settings.maxConnecting) - this.opening;
    if (wanted <= 0 || free <= 0) return;
    const now = this.#settings.clock.now();
    const healthy = this.#hosts.some(({ failures }) => failures === 0);
    if (healthy && this.#hosts.length > 1) free -= this.#probe(now, generation, owner);
    for (let missing = wanted; missing > 0 && free > 0; missing--, free--) {
      const host = this.#host(now, healthy);
      if (host === undefined) return;
      this.#start(host, now, generation, false, owner);
    }
  }

  /** When a new attempt may be made, if not now. */
  nextAttemptAt(): number {
    let next = Infinity;
    for (const { retryAt } of this.#hosts) if (retryAt < next) next = retryAt;
    return next;
  }

  /** Whether every host has failed so often that those who wait should know. */
  get hopeless(): boolean {
    return this.#hosts.every(
      ({ failures, hopeless }) => hopeless || failures >= this.#settings.connectAttempts,
    );
  }

  /** Whether some host can't be connected to at present. */
  get failing(): boolean {
    return this.#hosts.some(({ failures }) => failures > 0);
  }

  /** Tells all attempts that nobody wants them any more. */
  abortAll(reason: FormDBError): void {
    for (const { abort } of this.#attempts) abort.abort(reason);
  }

  #probe(now: number, generation: number, owner: ConnectorOwner<T>): number {
    const host = this.#hosts.find((host) => host.failures > 0 && host.retryAt <= now && host.opening === 0);
    if (host === undefined) return 0;
    this.#start(host, now, generation, true, owner);
    return 1;
  }

  /** Where to open next: the fewest connections among hosts that work, else one that may be tried again. */
  #host(now: number, healthy: boolean): Host<T> | undefined {
    let best: Host<T> | undefined;
    for (const host of this.#hosts) {
      const usable = healthy ? host.failures === 0 : host.retryAt <= now && host.opening === 0;
      if (usable && (best === undefined || host.open + host.opening < best.open + best.opening)) best = host;
    }
    return best;
  }

  #start(host: Host<T>, now: number, generation: number, probe: boolean, owner: ConnectorOwner<T>): void {
    const attempt: Attempt<T> = {
      id: ++this.#lastId,
      host,
      startedAt: now,
      generation,
      probe,
      abort: new AbortController(),
    };
    this.#attempts.add(attempt);
    host.opening++;
    if (probe) this.#probes++;
    owner.attemptStarted(attempt);
    // Always through a promise: an attempt never ends before the call that started it.
    const work = new Promise<T>((resolve) => resolve(this.#settings.create(attempt.abort.signal, host.name)));
    this.#tasks.watch(
      "Opening a connection",
      work,
      this.#settings.connectTimeoutMs,
      now,
      (error, resource) => this.#ended(attempt, owner, error, resource),
      (resource) => owner.attemptTooLate(resource),
    );
  }

  #ended(attempt: Attempt<T>, owner: ConnectorOwner<T>, error: unknown, resource: T | undefined): void {
    const { host } = attempt;
    this.#attempts.delete(attempt);
    host.opening--;
    if (attempt.probe) this.#probes--;
    if (error === undefined && (resource === undefined || resource === null || isThenable(resource))) {
      error = configError(`A pool's create must give a resource, not ${show(resource)}`);
    }
    if (error === undefined) error = owner.attemptSucceeded(attempt, resource as T);
    if (error === undefined) return;
    const aborted = attempt.abort.signal.aborted;
    attempt.abort.abort(error);
    if (!aborted) this.blame(host, attempt.startedAt, error);
    owner.attemptFailed(attempt, error);
  }

  /** A host that takes connections only to drop them is as good as one that takes none. */
  lostUnused(host: Host<T>, openedAt: number, error: unknown): void {
    host.failures = host.losses++;
    this.blame(host, openedAt, error);
  }

  /** A host failed: what began before it was known to fail met the same trouble, which counts once. */
  blame(host: Host<T>, startedAt: number, error: unknown): void {
    const { clock, connectBackoffMs, connectBackoffMaxMs, random } = this.#settings;
    const now = clock.now();
    this.lastError = error;
    this.lastErrorAt = now;
    if (startedAt > host.failedAt || host.failures === 0) host.failures++;
    host.failedAt = now;
    host.hopeless = error instanceof FormDBError && !error.retryable && error.code !== "FORMDB_TIMEOUT";
    const pause = Math.min(connectBackoffMaxMs, connectBackoffMs * 2 ** Math.min(host.failures - 1, 30));
    host.retryAt = now + pause * (0.5 + random() / 2);
  }
}
