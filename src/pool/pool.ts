import { guardCallback } from "../base/callback.ts";
import { FormDBError } from "../base/errors.ts";
import { boolean, checkOptions, milliseconds, wrongOption } from "../base/options.ts";
import { CoDel } from "./codel.ts";
import { Connector } from "./connector.ts";
import { PoolCore } from "./core.ts";
import type { Entry } from "./entry.ts";
import { notLent } from "./failures.ts";
import { captureOrigin, type HolderReport } from "./holders.ts";
import { Housekeeping } from "./housekeeping.ts";
import { ACQUIRE_OPTIONS, type AcquireOptions, Lending } from "./lending.ts";
import { type CloseReport, Lifecycle } from "./lifecycle.ts";
import { Nesting, NestingContext } from "./nesting.ts";
import type { PoolOptions, PoolSize } from "./options.ts";
import { Returning } from "./returning.ts";
import { Roster } from "./roster.ts";
import type { PoolState, PoolStats } from "./stats.ts";
import { Supply } from "./supply.ts";

export type { HolderReport, LeakReport } from "./holders.ts";
export type { AcquireOptions } from "./lending.ts";
export type { CloseReport } from "./lifecycle.ts";
export type { PoolOptions, PoolSize } from "./options.ts";
export type { PoolPeaks, PoolState, PoolStats, PoolTotals } from "./stats.ts";

/** How connections are replaced. */
export interface InvalidateOptions {
  /** Whether to close lent connections too, and to end at once what is being opened. Default false. */
  readonly interrupt?: boolean | undefined;
  /** Whether to pause the pool too, until whoever watches the server calls `resume()`. Default false. */
  readonly pause?: boolean | undefined;
}

const NO_OPTIONS: AcquireOptions = Object.freeze({});

/**
 * A pool of resources that are expensive to open. It knows nothing of what they are. Callers wait in a queue and
 * get what comes back by direct hand-over; the pool alone opens, validates, replaces and closes, in the
 * background. There is never a usable idle resource while somebody waits, never more than the maximum, and one
 * timer for everything that depends on time. After HikariCP (callers wait on the pool only), pgxpool and
 * MongoDB's connection monitoring and pooling.
 *
 * Each part knows only those before it: `PoolCore` (settings, state, counters), `Roster` (the entries and their
 * states), `Connector` (opens them), `Lending` (callers: served, waiting, refused), `Supply` (how many are missing,
 * which are stale), `Returning` (an entry that nobody has: reset, validated, passed on), `Lifecycle` (pause, drain,
 * close), `Housekeeping` (what falls due). Every event from outside ends in `#advance`.
 */
export class Pool<T> implements AsyncDisposable {
  readonly #core: PoolCore<T>;
  readonly #roster: Roster<T>;
  readonly #lending: Lending<T>;
  readonly #supply: Supply<T>;
  readonly #returning: Returning<T>;
  readonly #lifecycle: Lifecycle<T>;
  readonly #nesting: Nesting | undefined;
  readonly #keepOrigins: boolean;
  #advancing = false;
  #advanceAgain = false;

  /** Throws `FORMDB_CONFIG`. Opening starts at once, in the background. */
  constructor(options: PoolOptions<T>) {
    const core = new PoolCore<T>(
      options,
      () => this.#advance(),
      (lateMs) => housekeeping.wakeUp(lateMs),
    );
    const { codelTargetMs, codelIntervalMs, trackHolders, leakThresholdMs, detectNested } = core.settings;
    this.#nesting = detectNested ? new Nesting() : undefined;
    this.#keepOrigins = trackHolders || leakThresholdMs !== Infinity;
    const roster = new Roster<T>(core);
    const connector = new Connector<T>(core);
    const lending = new Lending<T>(core, roster, connector, {
      codel: codelTargetMs === undefined ? undefined : new CoDel(codelTargetMs, codelIntervalMs),
      nesting: this.#nesting,
    });
    const supply = new Supply<T>(core, roster, connector, lending);
    const returning = new Returning<T>(core, { roster, connector, lending, supply });
    const lifecycle = new Lifecycle<T>(core, roster, connector, lending);
    const parts = { roster, lending, returning, lifecycle };
    const housekeeping = new Housekeeping<T>(core, parts, guardCallback(core.settings.onLeak));
    this.#core = core;
    this.#roster = roster;
    this.#lending = lending;
    this.#supply = supply;
    this.#returning = returning;
    this.#lifecycle = lifecycle;
    core.observer.poolCreated();
    if (core.state === "paused") core.observer.paused();
    this.#advance();
  }

  /**
   * Waits for a resource, which must be given back by `release`. Rejects with `FORMDB_POOL_TIMEOUT`,
   * `FORMDB_ABORTED`, `FORMDB_POOL_QUEUE_FULL`, `FORMDB_POOL_PAUSED`, `FORMDB_POOL_CLOSED`, or
   * `FORMDB_CONNECT_FAILED` if no connection can be opened and none is left.
   */
  acquire(options: AcquireOptions = NO_OPTIONS): Promise<T> {
    const { observer, settings } = this.#core;
    const wrong = options === NO_OPTIONS ? undefined : wrongOption("acquire()", options, ACQUIRE_OPTIONS);
    if (wrong !== undefined) return Promise.reject(wrong);
    observer.acquireStarted();
    const now = settings.clock.now();
    const origin = this.#keepOrigins ? captureOrigin(this.acquire) : undefined;
    if (options.signal?.aborted !== true) {
      const entry = this.#lending.takeFresh(options.prefer, now);
      if (entry !== undefined) {
        this.#lending.lend(entry, now, now, origin);
        return Promise.resolve(entry.resource);
      }
    }
    return this.#lending.wait(options, now, origin);
  }

  /** A resource if one can be had at once, without validation; else undefined, and nothing has happened. */
  tryAcquire(prefer?: string): T | undefined {
    return this.tryLend(this.#core.settings.clock.now(), prefer)?.resource;
  }

  /** @internal The same for a caller that knows the time, and gives the entry back by `takeBack`. */
  tryLend(now: number, prefer?: string): Entry<T> | undefined {
    const entry = this.#lending.takeFresh(prefer, now);
    if (entry === undefined) return undefined;
    this.#core.observer.acquireStarted();
    this.#lending.lend(entry, now, now, this.#keepOrigins ? captureOrigin(this.tryLend) : undefined);
    return entry;
  }

  /** @internal Ends a loan of `tryLend` that went well and that nobody else can have ended. */
  takeBack(entry: Entry<T>, now: number): void {
    this.#returning.takeBack(entry, now);
  }

  /**
   * Gives a resource back. With an error that is fatal the pool closes it. Throws `FORMDB_CONFIG` for what
   * is not lent.
   */
  release(resource: T, error?: unknown): void {
    const entry = this.#roster.get(resource);
    if (entry === undefined) throw notLent(undefined);
    this.#returning.giveBack(entry, entry.loans, error);
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
      this.#returning.giveBack(
        entry,
        loans,
        error ?? new FormDBError("FORMDB_ENGINE", "The work failed without a reason"),
      );
      throw error;
    }
    this.#returning.giveBack(entry, loans, undefined);
    return result;
  }

  /** A resource that is given back at the end of the block: `await using lease = await pool.lease()`. */
  async lease(options?: AcquireOptions): Promise<Lease<T>> {
    const resource = await this.acquire(options);
    const entry = this.#roster.get(resource)!;
    const { loans } = entry;
    return new Lease<T>(resource, (error) => this.#returning.giveBack(entry, loans, error));
  }

  /** The id of a lent or idle resource, as observers know it; undefined for a stranger. */
  connectionIdOf(resource: T): number | undefined {
    return this.#roster.get(resource)?.id;
  }

  /** The least and the most connections at present. */
  get size(): PoolSize {
    return this.#core.size;
  }

  /** How many connections nobody uses now. */
  get idle(): number {
    return this.#roster.idle;
  }

  /** Whether it lends, is paused, or is closed. */
  get state(): PoolState {
    return this.#core.state;
  }

  /** Everything countable, of one moment. */
  stats(): PoolStats {
    return this.#lending.stats();
  }

  /** The loans at this moment, the longest first, 20 at most. */
  holders(): HolderReport[] {
    return this.#lending.holders();
  }

  /** Lends nothing until `resume()`: waiting callers and newcomers are refused with `FORMDB_POOL_PAUSED`. */
  pause(): void {
    this.#lifecycle.pause();
  }

  /** Lends again. */
  resume(): void {
    this.#lifecycle.resume();
  }

  /**
   * Replaces every connection, as after a failover: idle ones and those being opened now, lent ones when
   * they are given back. Callers go on waiting, for the new ones. With `interrupt` lent ones are closed at once,
   * under their holders' hands, and an attempt to connect that hangs is not waited for. With `pause` nothing
   * is opened until `resume()`, and waiting callers are refused (MongoDB's `clear`).
   */
  invalidate(options: InvalidateOptions = {}): void {
    checkOptions("Pool.invalidate", options, { interrupt: boolean, pause: boolean });
    this.#supply.invalidate(options.interrupt ?? false);
    if (options.pause === true && !this.#core.closing) this.#lifecycle.pause();
    this.#advance();
  }

  /** Changes the least and the most connections. What is too many goes now if idle, else when given back. */
  resize(change: Partial<PoolSize>): void {
    this.#core.resize(change);
    this.#roster.discardSurplus();
    const now = this.#core.settings.clock.now();
    this.#core.wake.by(now, false, now);
    this.#advance();
  }

  /**
   * Serves those who wait, turns newcomers away, and resolves once everything was given back; the pool
   * is paused then. At the deadline (none unless given) those who still wait are refused and this rejects with
   * `FORMDB_TIMEOUT`. Calling again gives the same outcome, with the nearer deadline.
   */
  drain(options: { readonly deadlineMs?: number | undefined } = {}): Promise<void> {
    const wrong = wrongOption("drain()", options, { deadlineMs: milliseconds });
    return wrong === undefined ? this.#lifecycle.drain(options.deadlineMs) : Promise.reject(wrong);
  }

  /**
   * Closes the pool for good: newcomers are refused with `FORMDB_POOL_CLOSED`, those who wait are still served, and
   * everything is closed when it is idle. At the deadline (30 s unless given) those who still wait are refused and what
   * is lent is taken away. Rejects for wrong options alone; calling again gives the same promise, with the nearer deadline.
   */
  close(options: { readonly deadlineMs?: number | undefined } = {}): Promise<CloseReport> {
    const wrong = wrongOption("close()", options, { deadlineMs: milliseconds });
    return wrong === undefined ? this.#lifecycle.close(options.deadlineMs) : Promise.reject(wrong);
  }

  /** Ends it, as `await using` does. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Until nothing changes any more. A call from inside itself lets the run in progress go round once more. */
  #advance(): void {
    this.#advanceAgain = true;
    if (this.#advancing) return;
    this.#advancing = true;
    try {
      while (this.#advanceAgain) {
        this.#advanceAgain = false;
        this.#returning.serve();
        this.#supply.grow();
        this.#lifecycle.settle();
      }
    } finally {
      this.#advancing = false;
    }
  }

  #nested<R>(entry: Entry<T>, work: (resource: T) => R, nesting: Nesting): R {
    const context = new NestingContext(nesting.current());
    entry.context = context;
    return nesting.run(context, () => work(entry.resource));
  }
}

/** A resource for as long as a block lasts: `await using lease = await pool.lease()`. */
export class Lease<T> implements AsyncDisposable {
  readonly resource: T;
  readonly #giveBack: (error: unknown) => void;
  #released = false;

  /** @internal */
  constructor(resource: T, giveBack: (error: unknown) => void) {
    this.resource = resource;
    this.#giveBack = giveBack;
  }

  /** Gives the resource back before the block ends; a fatal error evicts it. A second time throws. */
  release(error?: unknown): void {
    this.#giveBack(error);
    this.#released = true;
  }

  /** Ends it, as `await using` does. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#released) this.release();
  }
}
