import { FormDBError } from "../base/errors.ts";
import { checkOptions, milliseconds } from "../base/options.ts";
import type { PoolCore } from "./core.ts";
import type { Departures } from "./departures.ts";
import { Ending } from "./ending.ts";
import { refused } from "./failures.ts";
import type { Refusals } from "./refusals.ts";
import { moved } from "./state.ts";
import type { PoolState } from "./stats.ts";

/** What closing a pool took from holders that had not given back by the deadline. */
export interface CloseReport {
  readonly revoked: number;
}

const DEFAULT_CLOSE_DEADLINE_MS = 30_000;

/** Moves a pool from state to state, and sees a drain or the closing through to its end or its deadline. */
export class Lifecycle<T> {
  readonly #core: PoolCore<T>;
  readonly #refusals: Refusals<T>;
  readonly #departures: Departures<T>;
  #drain: Ending<void> | undefined = undefined;
  #close: Ending<CloseReport> | undefined = undefined;

  constructor(core: PoolCore<T>, refusals: Refusals<T>, departures: Departures<T>) {
    this.#core = core;
    this.#refusals = refusals;
    this.#departures = departures;
  }

  /** Whether somebody waits for a drain or for the closing. */
  get isEnding(): boolean {
    return this.#drain !== undefined || this.#close !== undefined;
  }

  nextDeadline(): number {
    return Math.min(this.#drain?.deadline ?? Infinity, this.#close?.deadline ?? Infinity);
  }

  pause(): void {
    if (this.#core.state === "paused") return;
    this.#move("paused");
    this.#refusals.failAll(() => refused("paused"));
    this.#core.observer.paused();
  }

  resume(): void {
    if (this.#core.state === "ready") return;
    this.#move("ready");
    this.#core.observer.resumed();
    this.#core.whole.pump();
  }

  drain(deadlineMs: number = Infinity): Promise<void> {
    if (this.#drain !== undefined) return this.#drain.promise;
    this.#move("draining");
    this.#drain = this.#end<void>("Draining the pool", deadlineMs);
    const { promise } = this.#drain;
    this.settle();
    return promise;
  }

  close(deadlineMs: number = DEFAULT_CLOSE_DEADLINE_MS): Promise<CloseReport> {
    if (this.#close !== undefined) {
      const now = this.#core.settings.clock.now();
      this.#close.noLaterThan(now + deadlineMs);
      this.#core.wake.by(this.#close.deadline, true, now);
      return this.#close.promise;
    }
    checkOptions("Pool.close", { deadlineMs }, { deadlineMs: milliseconds });
    this.#move("closing");
    this.#close = this.#end<CloseReport>("Closing the pool", deadlineMs);
    this.#refusals.failAll(() => refused("closing"));
    this.#core.connector.abortAll(refused("closing"));
    this.#departures.discardIdle("poolClosed");
    const { promise } = this.#close;
    this.settle();
    return promise;
  }

  /** Ends a drain or the closing once nothing is left to wait for. */
  settle(): void {
    const core = this.#core;
    const { roster, queue } = core;
    if (core.state === "ready" || core.state === "paused") return;
    const drain = this.#drain;
    if (drain !== undefined && queue.length === 0 && roster.total === roster.idle) {
      this.#drain = undefined;
      this.#move("paused");
      core.observer.paused();
      drain.resolve();
    }
    const left = roster.total + core.connector.opening + core.destroying;
    if (core.state === "closing" && left === 0) this.#closed(0);
  }

  /** Ends what has come to its deadline. */
  expire(now: number): void {
    if (this.#drain !== undefined && this.#drain.deadline <= now) {
      const drain = this.#drain;
      this.#drain = undefined;
      this.pause();
      drain.expire();
    }
    if (this.#core.state !== "closing" || this.#close!.deadline > now) return;
    let revoked = 0;
    for (const entry of this.#core.roster.entries()) {
      if (entry.state === "lent") revoked++;
      this.#departures.discard(entry, "poolClosed", entry.state === "lent" ? "revoked" : "gone");
    }
    if (this.#core.state === "closing") this.#closed(revoked);
  }

  #end<V>(what: string, deadlineMs: number): Ending<V> {
    const now = this.#core.settings.clock.now();
    const ending = new Ending<V>(what, now, deadlineMs);
    this.#core.wake.by(ending.deadline, true, now);
    return ending;
  }

  #closed(revoked: number): void {
    this.#move("closed");
    this.#core.wake.end();
    this.#core.observer.poolClosed();
    this.#close!.resolve(Object.freeze({ revoked }));
  }

  #move(to: PoolState): void {
    this.#core.state = moved(this.#core.state, to);
    const drain = this.#drain;
    if (drain === undefined || to === "draining") return;
    this.#drain = undefined;
    drain.reject(new FormDBError("FORMDB_ABORTED", `Draining the pool was ended: it is ${to} now`));
  }
}
