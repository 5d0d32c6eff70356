import { abortedError } from "../base/abort.ts";
import { FormDBError, messageOf } from "../base/errors.ts";
import {
  type AcquireFailureReason,
  type ConnectionCloseReason,
  guardObservers,
  POOL_EVENTS,
  type PoolObserver,
} from "../base/observer.ts";
import { checkOptions, configError, integer, milliseconds } from "../base/options.ts";
import { CoDel } from "./codel.ts";
import { type Attempt, Connector } from "./connector.ts";
import { Ending } from "./ending.ts";
import { Entry } from "./entry.ts";
import {
  acquireTimeout,
  type Circumstances,
  connectFailed,
  connectionLost,
  nestedAcquire,
  notLent,
  queueFull,
  reasonOf,
  refused,
} from "./failures.ts";
import { captureOrigin, holderOf, holdersOf, type LeakReport, warnOfLeak } from "./holders.ts";
import { Lease } from "./lease.ts";
import { replaceAt, upkeep } from "./maintenance.ts";
import { Nesting, NestingContext } from "./nesting.ts";
import {
  judge,
  type PoolOptions,
  type PoolSettings,
  type PoolSize,
  resized,
  settingsOf,
  sizeOf,
} from "./options.ts";
import { Roster } from "./roster.ts";
import { moved } from "./state.ts";
import { PoolCounts, type PoolState, type PoolStats } from "./stats.ts";
import { isThenable, Tasks } from "./tasks.ts";
import { WaitQueue } from "./wait-queue.ts";
import { Waiter } from "./waiter.ts";
import { WakeUp } from "./wake-up.ts";

export type { HolderReport, LeakReport } from "./holders.ts";
export { Lease } from "./lease.ts";
export type { PoolOptions, PoolSize } from "./options.ts";
export type { HostStats, PoolPeaks, PoolState, PoolStats, PoolTotals } from "./stats.ts";

/** How one caller wants its resource. */
export interface AcquireOptions {
  /** Ends the wait; what is being opened goes on and joins the pool. */
  readonly signal?: AbortSignal | undefined;
  /** How long to wait, instead of the pool's `acquireTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
  /** Higher is served first; 0 unless given. */
  readonly priority?: number | undefined;
  /** Rather a resource for which the pool's `holds(resource, prefer)` is true. */
  readonly prefer?: string | undefined;
}

/** What closing a pool took from holders that had not given back by the deadline. */
export interface CloseReport {
  readonly revoked: number;
}

const DEFAULT_CLOSE_DEADLINE_MS = 30_000;
const MAX_PRIORITY = 1_000;
const checkPriority = integer(-MAX_PRIORITY, MAX_PRIORITY);
const NO_OPTIONS: AcquireOptions = Object.freeze({});

/**
 * A pool of resources that are dear to open. It knows nothing of what they are. Callers wait in line and
 * get what comes back by direct hand-over; the pool alone opens, proves, replaces and closes, in the
 * background. There is never an idle resource while somebody waits, never more than the maximum, and one
 * timer for all that has to do with time. After HikariCP (callers wait on the pool only), pgxpool and
 * MongoDB's connection monitoring and pooling.
 */
export class Pool<T> implements AsyncDisposable {
  readonly #settings: PoolSettings<T>;
  readonly #observer: Required<PoolObserver>;
  readonly #roster: Roster<T>;
  readonly #queue: WaitQueue<T>;
  readonly #tasks: Tasks = new Tasks();
  readonly #connector: Connector<T>;
  readonly #wake: WakeUp;
  readonly #counts: PoolCounts = new PoolCounts();
  readonly #codel: CoDel | undefined;
  readonly #nesting: Nesting | undefined;
  readonly #listHolders: boolean;
  readonly #keepOrigins: boolean;
  readonly #onLeak: (report: LeakReport) => void;
  readonly #namedHosts: boolean;
  #state: PoolState;
  #size: PoolSize;
  #generation = 0;
  /** Entries under validation or reset, which somebody will get soon. */
  #returning = 0;
  #replacing = 0;
  #destroying = 0;
  #drain: Ending<void> | undefined = undefined;
  #close: Ending<CloseReport> | undefined = undefined;
  #pumping = false;
  #pumpAgain = false;
  /** The latest notable delay of the event loop, as the pool's timer saw it. */
  #loopDelayMs = 0;
  #loopDelayAt = -Infinity;

  /** Throws `FORMDB_CONFIG`. Opening starts at once, in the background. */
  constructor(options: PoolOptions<T>) {
    this.#settings = settingsOf(options);
    this.#size = sizeOf(options as Partial<PoolOptions<never>>);
    const { hosts, holds, acquireTimeoutMs, clock, leakThresholdMs } = this.#settings;
    this.#observer = guardObservers<PoolObserver>(POOL_EVENTS, [options.observer]);
    this.#roster = new Roster<T>(hosts, holds);
    this.#queue = new WaitQueue<T>(acquireTimeoutMs);
    this.#connector = new Connector<T>(this.#settings, this.#roster.hosts, this.#tasks, {
      attemptStarted: (attempt) => this.#attemptStarted(attempt),
      attemptSucceeded: (attempt, resource) => this.#attemptSucceeded(attempt, resource),
      attemptFailed: (attempt, error) => this.#attemptFailed(attempt, error),
      attemptTooLate: (resource) => this.#destroy(resource),
    });
    this.#wake = new WakeUp(clock, (lateMs) => this.#wakeUp(lateMs));
    const { codelTargetMs, codelIntervalMs = 100 } = options;
    this.#codel = codelTargetMs === undefined ? undefined : new CoDel(codelTargetMs, codelIntervalMs);
    this.#nesting = options.detectNested === true ? new Nesting() : undefined;
    this.#listHolders = options.trackHolders === true;
    this.#keepOrigins = this.#listHolders || leakThresholdMs !== Infinity;
    this.#onLeak = options.onLeak ?? warnOfLeak;
    this.#namedHosts = options.hosts !== undefined;
    this.#state = options.startPaused === true ? "paused" : "ready";
    this.#observer.poolCreated();
    this.#pump();
  }

  // Lending

  /**
   * Waits for a resource, which must be given back by `release`. Rejects with `FORMDB_POOL_TIMEOUT`,
   * `FORMDB_ABORTED`, `FORMDB_POOL_QUEUE_FULL`, `FORMDB_POOL_PAUSED`, `FORMDB_POOL_CLOSED`, or
   * `FORMDB_CONNECT_FAILED` where no connection can be opened and none is left.
   */
  acquire(options: AcquireOptions = NO_OPTIONS): Promise<T> {
    this.#observer.acquireStarted();
    const now = this.#settings.clock.now();
    const origin = this.#keepOrigins ? captureOrigin(this.acquire) : undefined;
    if (options.signal?.aborted !== true) {
      const entry = this.#takeFresh(options.prefer, now);
      if (entry !== undefined) {
        this.#lend(entry, now, now, origin);
        return Promise.resolve(entry.resource);
      }
    }
    return this.#wait(options, now, origin);
  }

  /** A resource if one can be had at once, without validation; else undefined, and nothing has happened. */
  tryAcquire(prefer?: string): T | undefined {
    const now = this.#settings.clock.now();
    const entry = this.#takeFresh(prefer, now);
    if (entry === undefined) return undefined;
    this.#observer.acquireStarted();
    this.#lend(entry, now, now, this.#keepOrigins ? captureOrigin(this.tryAcquire) : undefined);
    return entry.resource;
  }

  /**
   * Gives a resource back. With an error that is fatal the pool closes it. Throws `FORMDB_CONFIG` for what
   * is not lent.
   */
  release(resource: T, error?: unknown): void {
    const entry = this.#roster.get(resource);
    if (entry === undefined) throw notLent(resource, undefined);
    this.#giveBack(entry, entry.loans, error);
  }

  /** Gives a resource back to be closed. */
  evict(resource: T): void {
    const entry = this.#roster.get(resource);
    if (entry?.state === "lent") entry.doom ??= "error";
    this.release(resource);
  }

  /** Runs `work` with a resource and gives it back, however `work` ends. */
  async use<R>(work: (resource: T) => R | PromiseLike<R>, options?: AcquireOptions): Promise<R> {
    const resource = await this.acquire(options);
    const entry = this.#roster.get(resource)!;
    const { loans } = entry;
    let result: R;
    try {
      result = await (this.#nesting === undefined
        ? work(resource)
        : this.#nested(entry, work, this.#nesting));
    } catch (error) {
      this.#giveBack(
        entry,
        loans,
        error ?? new FormDBError("FORMDB_ENGINE", "The work failed without a reason"),
      );
      throw error;
    }
    this.#giveBack(entry, loans, undefined);
    return result;
  }

  /** A resource that is given back at the end of the block: `await using lease = await pool.lease()`. */
  async lease(options?: AcquireOptions): Promise<Lease<T>> {
    const resource = await this.acquire(options);
    const entry = this.#roster.get(resource)!;
    const { loans } = entry;
    return new Lease<T>(resource, (error) => this.#giveBack(entry, loans, error));
  }

  /** The id of a lent or idle resource, as observers know it; undefined for a stranger. */
  connectionIdOf(resource: T): number | undefined {
    return this.#roster.get(resource)?.id;
  }

  // The pool as a whole

  get state(): PoolState {
    return this.#state;
  }

  /** Everything countable, of one moment. */
  stats(): PoolStats {
    const roster = this.#roster;
    const { total, idle } = roster;
    const oldest = this.#queue.oldestSince();
    const { lastError } = this.#connector;
    return Object.freeze({
      state: this.#state,
      total,
      idle,
      inUse: total - idle,
      checking: this.#returning,
      waiting: this.#queue.length,
      pending: this.#connector.opening,
      closing: this.#destroying,
      min: this.#size.min,
      max: this.#size.max,
      generation: this.#generation,
      oldestWaitMs: oldest === Infinity ? 0 : this.#settings.clock.now() - oldest,
      lastConnectError: lastError === undefined ? undefined : messageOf(lastError),
      hosts: this.#namedHosts ? roster.hosts.map((host) => host.stats()) : [],
      ...this.#counts.snapshot(),
    });
  }

  /** Lends nothing until `resume()`: those who wait are told `FORMDB_POOL_PAUSED`, and so are newcomers. */
  pause(): void {
    if (this.#state === "paused") return;
    this.#move("paused");
    this.#failAll(() => refused("paused"));
    this.#observer.paused();
  }

  /** Lends again. */
  resume(): void {
    if (this.#state === "ready") return;
    this.#move("ready");
    this.#observer.resumed();
    this.#pump();
  }

  /**
   * Replaces every connection, as after a failover: idle ones and those being opened now, lent ones when
   * they are given back. Callers go on waiting, for the new ones.
   */
  invalidate(): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    this.#generation++;
    this.#counts.totals.invalidations++;
    this.#observer.cleared();
    this.#connector.abortAll(new FormDBError("FORMDB_ABORTED", "The pool was invalidated meanwhile"));
    this.#discardIdle("stale");
    this.#pump();
  }

  /** Changes the least and the most connections. What is too many goes now if idle, else when given back. */
  resize(change: Partial<PoolSize>): void {
    this.#size = resized(this.#size, change);
    for (const { idle } of this.#roster.hosts) {
      while (this.#roster.total > this.#size.max && idle.bottom !== undefined)
        this.#discard(idle.bottom, "idle");
    }
    this.#wake.by(this.#settings.clock.now(), false, this.#settings.clock.now());
    this.#pump();
  }

  /**
   * Serves those who wait, turns newcomers away, and resolves once everything was given back; the pool
   * is paused then. At the deadline those who still wait are told and this rejects with `FORMDB_TIMEOUT`.
   */
  drain({ deadlineMs = Infinity }: { readonly deadlineMs?: number | undefined } = {}): Promise<void> {
    if (this.#drain !== undefined) return this.#drain.promise;
    this.#move("draining");
    this.#drain = this.#end<void>("Draining the pool", deadlineMs);
    const { promise } = this.#drain;
    this.#settleEnds();
    return promise;
  }

  /**
   * Closes the pool for good: those who wait are told, idle connections are closed, lent ones are waited for
   * and at the deadline (30 s unless given) taken away. Never rejects; calling again gives the same promise,
   * with the nearer deadline.
   */
  close({
    deadlineMs = DEFAULT_CLOSE_DEADLINE_MS,
  }: {
    readonly deadlineMs?: number | undefined;
  } = {}): Promise<CloseReport> {
    if (this.#close !== undefined) {
      this.#close.noLaterThan(this.#settings.clock.now() + deadlineMs);
      this.#wake.by(this.#close.deadline, true, this.#settings.clock.now());
      return this.#close.promise;
    }
    checkOptions("Pool.close", { deadlineMs }, { deadlineMs: milliseconds });
    this.#move("closing");
    this.#close = this.#end<CloseReport>("Closing the pool", deadlineMs);
    this.#failAll(() => refused("closing"));
    this.#connector.abortAll(refused("closing"));
    this.#discardIdle("poolClosed");
    const { promise } = this.#close;
    this.#settleEnds();
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // Waiting and handing over

  /** The best idle entry, taken off its stack, if it can be lent as it is. */
  #takeFresh(prefer: string | undefined, now: number): Entry<T> | undefined {
    if (this.#state !== "ready" || this.#queue.length > 0) return undefined;
    const entry = this.#roster.best(prefer);
    if (entry === undefined || entry.expiresAt <= now || this.#needsProof(entry, now)) return undefined;
    this.#roster.take(entry);
    return entry;
  }

  #needsProof(entry: Entry<T>, now: number): boolean {
    return this.#settings.validate !== undefined && now - entry.provenAt > this.#settings.validateAfterIdleMs;
  }

  #wait(options: AcquireOptions, now: number, origin: Error | undefined): Promise<T> {
    const { signal, timeoutMs = this.#settings.acquireTimeoutMs, priority = 0, prefer } = options;
    const refusal = this.#refusal(signal, timeoutMs, priority, now);
    if (refusal !== undefined) {
      this.#countFailure(reasonOf(refusal), 0);
      return Promise.reject(refusal);
    }
    const context = this.#nesting?.current();
    const waiter = new Waiter<T>(now, timeoutMs, priority, prefer, signal, origin, context, this.#abandon);
    context?.enterQueue();
    this.#queue.push(waiter);
    const { peaks } = this.#counts;
    if (this.#queue.length > peaks.waiting) peaks.waiting = this.#queue.length;
    if (!this.#wake.keepsAlive || this.#wake.isLaterThan(waiter.deadline)) {
      this.#wake.by(waiter.deadline, true, now);
    }
    // With everything lent there is nothing to do but wait.
    if (this.#roster.idle > 0 || this.#roster.total < this.#size.max) this.#pump();
    if (context !== undefined && waiter.level !== undefined && this.#isDeadlocked()) {
      this.#fail(waiter, () => nestedAcquire(this.#circumstances(waiter)));
    }
    return waiter.promise;
  }

  /** Why a caller can't even wait. */
  #refusal(
    signal: AbortSignal | undefined,
    timeoutMs: number,
    priority: number,
    now: number,
  ): FormDBError | undefined {
    if (this.#state !== "ready") return refused(this.#state);
    if (signal?.aborted) return abortedError("Acquiring a connection", signal);
    if (!(timeoutMs >= 0))
      return configError(`acquire's option timeoutMs must be zero or more, not ${timeoutMs}`);
    const wanted = priority === 0 ? undefined : checkPriority(priority);
    if (wanted !== undefined)
      return configError(`acquire's option priority must be ${wanted}, not ${priority}`);
    if (this.#queue.length >= this.#settings.maxWaiting && this.#roster.idle === 0) {
      return queueFull(this.#circumstances(), false, this.#settings.maxWaiting);
    }
    const pointless = this.#outOfReach() && this.#connector.hopeless;
    if (pointless && now + timeoutMs <= this.#connector.nextAttemptAt())
      return connectFailed(this.#circumstances());
    return undefined;
  }

  readonly #abandon = (waiter: Waiter<T>): void => {
    this.#fail(waiter, () => abortedError("Acquiring a connection", waiter.signal!));
    this.#settleEnds();
  };

  /** Lends a free entry to the first caller that still wants it; false when nobody does. */
  #handOver(entry: Entry<T>, now: number): boolean {
    for (let waiter = this.#queue.peek(); waiter !== undefined; waiter = this.#queue.peek()) {
      if (waiter.deadline <= now) {
        this.#timeOut(waiter, now);
      } else if (this.#codel?.sheds(now, now - waiter.since) === true) {
        this.#counts.totals.shed++;
        this.#fail(waiter, () => queueFull(this.#circumstances(waiter), true, this.#settings.maxWaiting));
      } else {
        this.#queue.remove(waiter);
        this.#lend(entry, now, waiter.since, waiter.origin);
        waiter.resolve(entry.resource);
        return true;
      }
    }
    return false;
  }

  #lend(entry: Entry<T>, now: number, since: number, origin: Error | undefined): void {
    entry.state = "lent";
    entry.lentAt = now;
    if (entry.loans++ === 0) entry.host.losses = 0;
    entry.origin = origin;
    const { totals, peaks } = this.#counts;
    totals.acquired++;
    const inUse = this.#roster.total - this.#roster.idle;
    if (inUse > peaks.inUse) peaks.inUse = inUse;
    const leakAt = now + this.#settings.leakThresholdMs;
    if (this.#wake.isLaterThan(leakAt)) this.#wake.by(leakAt, false, now);
    this.#observer.acquired(entry.id, now - since);
  }

  #giveBack(entry: Entry<T>, loan: number, error: unknown): void {
    if (entry.loans !== loan || (entry.state !== "lent" && entry.state !== "revoked")) {
      throw notLent(entry.resource, entry.state);
    }
    const now = this.#settings.clock.now();
    this.#counts.totals.released++;
    entry.origin = undefined;
    entry.context = undefined;
    entry.leakReported = false;
    this.#observer.released(entry.id, now - entry.lentAt);
    if (entry.state === "revoked") {
      this.#roster.remove(entry, "gone");
      return;
    }
    entry.state = "busy";
    entry.usedAt = now;
    entry.provenAt = now;
    if (error !== undefined) this.#blame(entry, error);
    const { reset } = this.#settings;
    if (reset === undefined || this.#unfit(entry, now) !== undefined) this.#free(entry, now);
    else this.#keepBusy("Resetting a connection", reset, entry, now);
  }

  /** An entry that nobody has goes to who waits, or on the idle stack, or out. */
  #free(entry: Entry<T>, now: number): void {
    const reason = this.#unfit(entry, now);
    if (reason !== undefined) {
      this.#discard(entry, reason);
      this.#pump();
      return;
    }
    if (this.#queue.length === 0 || !this.#handOver(entry, now)) {
      this.#roster.putIdle(entry);
      const { idleTimeoutMs, keepaliveMs } = this.#settings;
      const lookMs = this.#roster.total > this.#size.min ? Math.min(idleTimeoutMs, keepaliveMs) : keepaliveMs;
      if (this.#wake.isLaterThan(now + lookMs)) this.#wake.by(now + lookMs, false, now);
    }
    if (this.#state !== "ready") this.#settleEnds();
  }

  /** Why an entry must not be lent again. */
  #unfit(entry: Entry<T>, now: number): ConnectionCloseReason | undefined {
    if (entry.doom !== undefined) return entry.doom;
    if (this.#close !== undefined) return "poolClosed";
    if (entry.generation !== this.#generation) return "stale";
    if (entry.expiresAt <= now) return "lifetime";
    if (entry.loans >= this.#settings.maxUses) return "maxUses";
    return this.#roster.total > this.#size.max ? "idle" : undefined;
  }

  // What the pool does by itself

  /** Brings idle entries and callers together and opens what is missing. Safe to call from anywhere. */
  #pump(): void {
    this.#pumpAgain = true;
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#pumpAgain) {
        this.#pumpAgain = false;
        this.#serve();
        this.#grow();
      }
    } finally {
      this.#pumping = false;
    }
    this.#settleEnds();
  }

  #serve(): void {
    if (this.#queue.length === 0) return;
    const now = this.#settings.clock.now();
    while (this.#queue.length > this.#returning) {
      const entry = this.#roster.best(this.#queue.peek()!.prefer);
      if (entry === undefined) return;
      this.#roster.take(entry);
      if (this.#needsProof(entry, now) && entry.expiresAt > now) this.#prove(entry, now);
      else this.#free(entry, now);
    }
  }

  #grow(): void {
    if (this.#state !== "ready" && this.#state !== "draining") return;
    const { total } = this.#roster;
    const { opening, promising } = this.#connector;
    const demanded = this.#queue.length - this.#returning - promising;
    const wanted =
      this.#state === "draining"
        ? demanded
        : Math.max(demanded, this.#size.min - total - opening, this.#replacing - opening);
    if (wanted <= 0 || total + opening >= this.#size.max) return;
    this.#connector.open(wanted, this.#size.max - total, this.#generation);
    const now = this.#settings.clock.now();
    const retryAt = this.#connector.nextAttemptAt();
    if (retryAt > now && this.#wake.isLaterThan(retryAt)) this.#wake.by(retryAt, this.#queue.length > 0, now);
  }

  #attemptStarted({ id, startedAt }: Attempt<T>): void {
    this.#counts.totals.created++;
    this.#wake.by(startedAt + this.#settings.connectTimeoutMs, this.#queue.length > 0, startedAt);
    this.#observer.connectionCreated(id);
  }

  #attemptSucceeded(attempt: Attempt<T>, resource: T): unknown {
    const { id, host, startedAt, generation } = attempt;
    if (this.#roster.has(resource)) {
      return configError(
        "A pool's create must give a new resource each time, not one that the pool has already",
      );
    }
    if (this.#close !== undefined || generation !== this.#generation) {
      this.#countClosed(id, this.#close === undefined ? "stale" : "poolClosed");
      this.#destroy(resource);
      this.#pump();
      return undefined;
    }
    const { clock, maxLifetimeMs, lifetimeJitter, random } = this.#settings;
    const now = clock.now();
    const expiresAt = now + maxLifetimeMs * (1 - lifetimeJitter * random());
    const entry = new Entry<T>(id, resource, host, generation, now, expiresAt);
    const unusable = this.#watch(entry);
    if (unusable !== undefined) {
      this.#destroy(resource);
      return unusable;
    }
    host.succeeded();
    this.#roster.add(entry);
    const { totals, peaks } = this.#counts;
    totals.ready++;
    if (this.#roster.total > peaks.total) peaks.total = this.#roster.total;
    this.#wake.by(replaceAt(maxLifetimeMs, expiresAt), false, now);
    this.#observer.connectionReady(id, now - startedAt);
    this.#free(entry, now);
    this.#retireReplaced();
    this.#pump();
    return undefined;
  }

  #attemptFailed({ id, generation }: Attempt<T>, error: unknown): void {
    const stale = generation !== this.#generation;
    if (this.#close === undefined && !stale) this.#counts.totals.connectFailures++;
    this.#countClosed(id, this.#close !== undefined ? "poolClosed" : stale ? "stale" : "error");
    if (this.#close === undefined && !stale) this.#invalidateFor(error);
    this.#tellIfPointless();
    this.#pump();
  }

  /** Nothing is open and nothing is being opened. */
  #outOfReach(): boolean {
    return this.#roster.total === 0 && this.#connector.opening === 0;
  }

  /** Those who can't be served any more, or not in time, hear why at once. */
  #tellIfPointless(): void {
    if (this.#queue.length === 0 || !this.#outOfReach()) return;
    const { hopeless } = this.#connector;
    const next = this.#connector.nextAttemptAt();
    for (const waiter of this.#queue.list()) {
      if (hopeless || waiter.deadline <= next)
        this.#fail(waiter, () => connectFailed(this.#circumstances(waiter)));
    }
  }

  /** Listens for the loss of a new entry; gives the error of one that is lost, or can't be watched, already. */
  #watch(entry: Entry<T>): unknown {
    const { watch } = this.#settings;
    if (watch === undefined) return undefined;
    let lost: { readonly error: unknown } | undefined;
    let watching = true;
    try {
      watch(entry.resource, (error) => {
        if (watching) lost ??= { error };
        else this.#lost(entry, error);
      });
    } catch (error) {
      lost ??= { error };
    }
    watching = false;
    return lost === undefined ? undefined : (lost.error ?? connectionLost());
  }

  #lost(entry: Entry<T>, error: unknown): void {
    if (entry.state === "gone" || entry.state === "revoked" || entry.doom !== undefined) return;
    entry.doom = "error";
    if (entry.loans === 0) this.#connector.lostUnused(entry.host, entry.usedAt, error ?? connectionLost());
    if (entry.state === "idle") this.#discard(entry, "error");
    this.#invalidateFor(error);
    this.#tellIfPointless();
    this.#pump();
  }

  #blame(entry: Entry<T>, error: unknown): void {
    if (judge(this.#settings.isFatal, error)) entry.doom ??= "error";
    if (this.#settings.invalidates !== undefined && judge(this.#settings.invalidates, error)) {
      entry.doom ??= "error";
      this.invalidate();
    }
  }

  /** A connection that is lost for a reason that concerns all of them takes all of them along. */
  #invalidateFor(error: unknown): void {
    if (
      this.#roster.total > 0 &&
      this.#settings.invalidates !== undefined &&
      judge(this.#settings.invalidates, error)
    ) {
      this.invalidate();
    }
  }

  #prove(entry: Entry<T>, now: number): void {
    this.#keepBusy("Validating a connection", this.#settings.validate!, entry, now);
  }

  /** Has the user's code look after a busy entry, which comes back or goes according to how that ends. */
  #keepBusy(what: string, hook: (resource: T) => unknown, entry: Entry<T>, now: number): void {
    this.#returning++;
    const end = (good: boolean): void => {
      this.#returning--;
      if (entry.state !== "busy") return;
      const endedAt = this.#settings.clock.now();
      if (good) entry.provenAt = endedAt;
      else entry.doom ??= "error";
      this.#free(entry, endedAt);
    };
    let outcome: unknown;
    try {
      outcome = hook(entry.resource);
    } catch {
      end(false);
      return;
    }
    if (!isThenable(outcome)) {
      end(outcome !== false);
      return;
    }
    const { validateTimeoutMs } = this.#settings;
    this.#tasks.watch(what, outcome, validateTimeoutMs, now, (error, value) => {
      end(error === undefined && value !== false);
    });
    this.#wake.by(now + validateTimeoutMs, this.#queue.length > 0, now);
  }

  #wakeUp(lateMs: number): void {
    const { clock } = this.#settings;
    const now = clock.now();
    if (lateMs >= this.#loopDelayMs || this.#loopDelayAt < this.#queue.oldestSince()) {
      this.#loopDelayMs = lateMs;
      this.#loopDelayAt = now;
    }
    for (let late = this.#queue.firstExpired(now); late !== undefined; late = this.#queue.firstExpired(now)) {
      this.#timeOut(late, now);
    }
    this.#tasks.expire(now);
    this.#expireEnds(now);
    if (this.#state === "closed") return;
    const next = upkeep(this.#roster, this.#settings, this.#size.min, now, {
      retire: (entry, reason) => this.#discard(entry, reason),
      prove: (entry) => {
        this.#roster.take(entry);
        this.#prove(entry, now);
      },
      wantSuccessor: (entry) => {
        entry.replacing = true;
        this.#replacing++;
      },
      reportLeak: (entry) => this.#reportLeak(entry, now),
    });
    this.#pump();
    const keepAlive = this.#queue.length > 0 || this.#drain !== undefined || this.#close !== undefined;
    const endsAt = Math.min(this.#drain?.deadline ?? Infinity, this.#close?.deadline ?? Infinity);
    this.#wake.by(
      Math.min(next, this.#queue.nextDeadline(), this.#tasks.nextDeadline(), endsAt),
      keepAlive,
      now,
    );
  }

  #reportLeak(entry: Entry<T>, now: number): void {
    entry.leakReported = true;
    this.#counts.totals.leaks++;
    try {
      this.#onLeak({ ...holderOf(entry, now), leakThresholdMs: this.#settings.leakThresholdMs });
    } catch {
      // A report that fails is no reason to fail.
    }
  }

  /** A successor came: one of those that it was opened for can go. */
  #retireReplaced(): void {
    if (this.#replacing === 0) return;
    let busy: Entry<T> | undefined;
    for (const entry of this.#roster.entries()) {
      if (!entry.replacing || entry.doom !== undefined) continue;
      if (entry.state === "idle") {
        this.#discard(entry, "lifetime");
        return;
      }
      busy ??= entry;
    }
    if (busy !== undefined) this.#doomReplaced(busy);
  }

  #doomReplaced(entry: Entry<T>): void {
    entry.doom = "lifetime";
    entry.replacing = false;
    this.#replacing--;
  }

  // Closing

  #discardIdle(reason: ConnectionCloseReason): void {
    for (const { idle } of this.#roster.hosts) {
      while (idle.top !== undefined) this.#discard(idle.top, reason);
    }
  }

  #discard(entry: Entry<T>, reason: ConnectionCloseReason, state: "gone" | "revoked" = "gone"): void {
    this.#roster.remove(entry, state);
    if (entry.replacing) {
      entry.replacing = false;
      this.#replacing--;
    }
    this.#countClosed(entry.id, reason);
    this.#destroy(entry.resource);
  }

  #destroy(resource: T): void {
    let outcome: unknown;
    try {
      outcome = this.#settings.destroy(resource);
    } catch {
      this.#counts.totals.destroyFailures++;
      return;
    }
    if (!isThenable(outcome)) return;
    this.#destroying++;
    const { clock, destroyTimeoutMs } = this.#settings;
    const now = clock.now();
    this.#tasks.watch("Closing a connection", outcome, destroyTimeoutMs, now, (error) => {
      this.#destroying--;
      if (error !== undefined) this.#counts.totals.destroyFailures++;
      this.#settleEnds();
    });
    this.#wake.by(now + destroyTimeoutMs, this.#close !== undefined, now);
  }

  #end<V>(what: string, deadlineMs: number): Ending<V> {
    const now = this.#settings.clock.now();
    const ending = new Ending<V>(what, now, deadlineMs);
    this.#wake.by(ending.deadline, true, now);
    return ending;
  }

  /** Ends a drain or the closing once nothing is left to wait for. */
  #settleEnds(): void {
    if (this.#state === "ready" || this.#state === "paused") return;
    const { total, idle } = this.#roster;
    if (this.#drain !== undefined && this.#queue.length === 0 && total === idle) {
      const drain = this.#drain;
      this.#drain = undefined;
      this.#move("paused");
      this.#observer.paused();
      drain.resolve();
    }
    if (this.#state === "closing" && total + this.#connector.opening + this.#destroying === 0)
      this.#closed(0);
  }

  #expireEnds(now: number): void {
    if (this.#drain !== undefined && this.#drain.deadline <= now) {
      const drain = this.#drain;
      this.#drain = undefined;
      this.pause();
      drain.expire();
    }
    if (this.#state !== "closing" || this.#close!.deadline > now) return;
    let revoked = 0;
    for (const entry of this.#roster.entries()) {
      if (entry.state === "lent") revoked++;
      this.#discard(entry, "poolClosed", entry.state === "lent" ? "revoked" : "gone");
    }
    if (this.#state === "closing") this.#closed(revoked);
  }

  #closed(revoked: number): void {
    this.#move("closed");
    this.#wake.end();
    this.#observer.poolClosed();
    this.#close!.resolve(Object.freeze({ revoked }));
  }

  #move(to: PoolState): void {
    this.#state = moved(this.#state, to);
    const drain = this.#drain;
    if (drain === undefined || to === "draining") return;
    this.#drain = undefined;
    drain.reject(new FormDBError("FORMDB_ABORTED", `Draining the pool was ended: it is ${to} now`));
  }

  // Failing

  #timeOut(waiter: Waiter<T>, now: number): void {
    const delayMs = this.#loopDelayAt >= waiter.since ? this.#loopDelayMs : 0;
    const holders = this.#listHolders ? holdersOf(this.#roster.entries(), now) : undefined;
    const late = Math.max(delayMs, now - waiter.deadline);
    this.#fail(waiter, () => acquireTimeout(this.#circumstances(waiter), waiter.timeoutMs, late, holders));
    if (this.#state !== "ready") this.#settleEnds();
  }

  #failAll(error: () => FormDBError): void {
    for (const waiter of this.#queue.list()) this.#fail(waiter, error);
  }

  /** Ends a wait; the error is made after it, so that its counts leave this caller out. */
  #fail(waiter: Waiter<T>, makeError: () => FormDBError): void {
    if (!this.#queue.remove(waiter)) return;
    const error = makeError();
    this.#countFailure(reasonOf(error), this.#settings.clock.now() - waiter.since);
    waiter.reject(error);
  }

  #countFailure(reason: AcquireFailureReason, waitMs: number): void {
    this.#counts.totals.failed[reason]++;
    this.#observer.acquireFailed(reason, waitMs);
  }

  #countClosed(id: number, reason: ConnectionCloseReason): void {
    this.#counts.totals.closed[reason]++;
    this.#observer.connectionClosed(id, reason);
  }

  #circumstances(waiter?: Waiter<T>): Circumstances {
    const since = waiter?.since;
    // Trouble of long ago, or that is over, explains nothing.
    const { lastError, lastErrorAt } = this.#connector;
    const recent = this.#connector.failing || (since !== undefined && lastErrorAt >= since);
    return {
      stats: this.stats(),
      waitMs: since === undefined ? 0 : this.#settings.clock.now() - since,
      lastConnectError: recent ? lastError : undefined,
    };
  }

  #nested<R>(entry: Entry<T>, work: (resource: T) => R, nesting: Nesting): R {
    const context = new NestingContext(nesting.current());
    entry.context = context;
    return nesting.run(context, () => work(entry.resource));
  }

  /** Whether everything is lent to `use` calls that wait for more. */
  #isDeadlocked(): boolean {
    if (this.#roster.total < this.#size.max || this.#connector.opening > 0) return false;
    for (const { state, context } of this.#roster.entries()) {
      if (state !== "revoked" && (state !== "lent" || context?.blocked !== true)) return false;
    }
    return true;
  }
}
