import { FormDBError } from "../base/errors.ts";
import { milliseconds, wrongOption } from "../base/options.ts";
import { CoDel } from "./codel.ts";
import { PoolCore } from "./core.ts";
import { Departures } from "./departures.ts";
import type { Entry } from "./entry.ts";
import { notLent } from "./failures.ts";
import { captureOrigin, warnOfLeak } from "./holders.ts";
import { Housekeeper } from "./housekeeper.ts";
import { Lease } from "./lease.ts";
import { ACQUIRE_OPTIONS, type AcquireOptions, Lending } from "./lending.ts";
import { type CloseReport, Lifecycle } from "./lifecycle.ts";
import { Nesting, NestingContext } from "./nesting.ts";
import type { PoolOptions } from "./options.ts";
import { Pump } from "./pump.ts";
import { Refusals } from "./refusals.ts";
import { Returning } from "./returning.ts";
import { type PoolSize, resized } from "./size.ts";
import type { PoolState, PoolStats } from "./stats.ts";
import { Supply } from "./supply.ts";

export type { HolderReport, LeakReport } from "./holders.ts";
export { Lease } from "./lease.ts";
export type { AcquireOptions } from "./lending.ts";
export type { CloseReport } from "./lifecycle.ts";
export type { PoolOptions } from "./options.ts";
export type { PoolSize } from "./size.ts";
export type { HostStats, PoolPeaks, PoolState, PoolStats, PoolTotals } from "./stats.ts";

const NO_OPTIONS: AcquireOptions = Object.freeze({});

/**
 * A pool of resources that are dear to open. It knows nothing of what they are. Callers wait in line and
 * get what comes back by direct hand-over; the pool alone opens, proves, replaces and closes, in the
 * background. There is never an idle resource while somebody waits, never more than the maximum, and one
 * timer for all that has to do with time. After HikariCP (callers wait on the pool only), pgxpool and
 * MongoDB's connection monitoring and pooling.
 *
 * An entry's way through the parts: `Supply` has it opened and takes it in, `Lending` gives it to a caller,
 * `Returning` takes it back and passes it on, `Departures` sees it off. `Refusals` tells the callers that get
 * nothing, `Lifecycle` pauses, drains and closes, `Housekeeper` does what falls due, and `Pump` brings
 * together what waits and what is there. They share a `PoolCore`; imports among them only go one way, and
 * what a part has to ask of the pool as a whole it asks through `WholePool`.
 */
export class Pool<T> implements AsyncDisposable {
  readonly #core: PoolCore<T>;
  readonly #lending: Lending<T>;
  readonly #returning: Returning<T>;
  readonly #departures: Departures<T>;
  readonly #lifecycle: Lifecycle<T>;
  readonly #nesting: Nesting | undefined;
  readonly #keepOrigins: boolean;

  /** Throws `FORMDB_CONFIG`. Opening starts at once, in the background. */
  constructor(options: PoolOptions<T>) {
    const core = new PoolCore<T>(options, {
      pump: () => pump.run(),
      settleEnds: () => lifecycle.settle(),
      invalidate: () => this.invalidate(),
      wakeUp: (lateMs) => housekeeper.wakeUp(lateMs),
    });
    const { codelTargetMs, codelIntervalMs = 100, trackHolders = false, detectNested = false } = options;
    const codel = codelTargetMs === undefined ? undefined : new CoDel(codelTargetMs, codelIntervalMs);
    this.#core = core;
    this.#nesting = detectNested ? new Nesting() : undefined;
    this.#keepOrigins = trackHolders || core.settings.leakThresholdMs !== Infinity;
    const refusals = new Refusals<T>(core, trackHolders);
    const departures = new Departures<T>(core);
    const lending = new Lending<T>(core, refusals, codel, this.#nesting);
    const returning = new Returning<T>(core, lending, departures);
    const supply = new Supply<T>(core, refusals, returning, departures);
    const pump = new Pump<T>(core, returning, supply);
    const lifecycle = new Lifecycle<T>(core, refusals, departures);
    const parts = { refusals, departures, returning, supply, lifecycle };
    const housekeeper = new Housekeeper<T>(core, parts, options.onLeak ?? warnOfLeak);
    this.#departures = departures;
    this.#lending = lending;
    this.#returning = returning;
    this.#lifecycle = lifecycle;
    core.observer.poolCreated();
    pump.run();
  }

  /**
   * Waits for a resource, which must be given back by `release`. Rejects with `FORMDB_POOL_TIMEOUT`,
   * `FORMDB_ABORTED`, `FORMDB_POOL_QUEUE_FULL`, `FORMDB_POOL_PAUSED`, `FORMDB_POOL_CLOSED`, or
   * `FORMDB_CONNECT_FAILED` where no connection can be opened and none is left.
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
    const now = this.#core.settings.clock.now();
    const entry = this.#lending.takeFresh(prefer, now);
    if (entry === undefined) return undefined;
    this.#core.observer.acquireStarted();
    this.#lending.lend(entry, now, now, this.#keepOrigins ? captureOrigin(this.tryAcquire) : undefined);
    return entry.resource;
  }

  /**
   * Gives a resource back. With an error that is fatal the pool closes it. Throws `FORMDB_CONFIG` for what
   * is not lent.
   */
  release(resource: T, error?: unknown): void {
    const entry = this.#core.roster.get(resource);
    if (entry === undefined) throw notLent(resource, undefined);
    this.#returning.giveBack(entry, entry.loans, error);
  }

  /** Gives a resource back to be closed. */
  evict(resource: T): void {
    const entry = this.#core.roster.get(resource);
    if (entry?.state === "lent") entry.doom ??= "error";
    this.release(resource);
  }

  /** Runs `work` with a resource and gives it back, however `work` ends. */
  async use<R>(work: (resource: T) => R | PromiseLike<R>, options?: AcquireOptions): Promise<R> {
    const resource = await this.acquire(options);
    const entry = this.#core.roster.get(resource)!;
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
    const entry = this.#core.roster.get(resource)!;
    const { loans } = entry;
    return new Lease<T>(resource, (error) => this.#returning.giveBack(entry, loans, error));
  }

  /** The id of a lent or idle resource, as observers know it; undefined for a stranger. */
  connectionIdOf(resource: T): number | undefined {
    return this.#core.roster.get(resource)?.id;
  }

  get state(): PoolState {
    return this.#core.state;
  }

  /** Everything countable, of one moment. */
  stats(): PoolStats {
    return this.#core.stats();
  }

  /** Lends nothing until `resume()`: those who wait are told `FORMDB_POOL_PAUSED`, and so are newcomers. */
  pause(): void {
    this.#lifecycle.pause();
  }

  /** Lends again. */
  resume(): void {
    this.#lifecycle.resume();
  }

  /**
   * Replaces every connection, as after a failover: idle ones and those being opened now, lent ones when
   * they are given back. Callers go on waiting, for the new ones.
   */
  invalidate(): void {
    const { closing, connector, counts, observer } = this.#core;
    if (closing) return;
    this.#core.generation++;
    counts.totals.invalidations++;
    observer.cleared();
    connector.abortAll(new FormDBError("FORMDB_ABORTED", "The pool was invalidated meanwhile"));
    this.#departures.discardIdle("stale");
    this.#core.whole.pump();
  }

  /** Changes the least and the most connections. What is too many goes now if idle, else when given back. */
  resize(change: Partial<PoolSize>): void {
    const { settings, size, wake } = this.#core;
    this.#core.size = resized(size, change);
    this.#departures.discardSurplus();
    const now = settings.clock.now();
    wake.by(now, false, now);
    this.#core.whole.pump();
  }

  /**
   * Serves those who wait, turns newcomers away, and resolves once everything was given back; the pool
   * is paused then. At the deadline those who still wait are told and this rejects with `FORMDB_TIMEOUT`.
   */
  drain(options: { readonly deadlineMs?: number | undefined } = {}): Promise<void> {
    const wrong = wrongOption("drain()", options, { deadlineMs: milliseconds });
    return wrong === undefined ? this.#lifecycle.drain(options.deadlineMs) : Promise.reject(wrong);
  }

  /**
   * Closes the pool for good: those who wait are told, idle connections are closed, lent ones are waited for
   * and at the deadline (30 s unless given) taken away. Never rejects; calling again gives the same promise,
   * with the nearer deadline.
   */
  close({ deadlineMs }: { readonly deadlineMs?: number | undefined } = {}): Promise<CloseReport> {
    return this.#lifecycle.close(deadlineMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #nested<R>(entry: Entry<T>, work: (resource: T) => R, nesting: Nesting): R {
    const context = new NestingContext(nesting.current());
    entry.context = context;
    return nesting.run(context, () => work(entry.resource));
  }
}
