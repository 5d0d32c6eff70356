import { timeoutError } from "../base/abort.ts";
import { FormDBError } from "../base/errors.ts";
import { checkOptions, milliseconds } from "../base/options.ts";
import type { Connector } from "./connector.ts";
import type { PoolCore } from "./core.ts";
import { refused } from "./failures.ts";
import type { Lending } from "./lending.ts";
import type { Roster } from "./roster.ts";
import type { PoolState } from "./stats.ts";

/** What closing a pool took from holders that had not given back by the deadline. */
export interface CloseReport {
  readonly revoked: number;
}

const DEFAULT_CLOSE_DEADLINE_MS = 30_000;

/** A drain or a close that is under way. */
interface Ending<V> {
  readonly outcome: PromiseWithResolvers<V>;
  deadlineMs: number;
  deadline: number;
}

/** Moves a pool from state to state, and sees a drain or the closing through to its end or its deadline. */
export class Lifecycle<T> {
  readonly #core: PoolCore<T>;
  readonly #roster: Roster<T>;
  readonly #connector: Connector<T>;
  readonly #lending: Lending<T>;
  #drain: Ending<void> | undefined = undefined;
  #close: Ending<CloseReport> | undefined = undefined;

  constructor(core: PoolCore<T>, roster: Roster<T>, connector: Connector<T>, lending: Lending<T>) {
    this.#core = core;
    this.#roster = roster;
    this.#connector = connector;
    this.#lending = lending;
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
    this.#lending.failAll(() => refused("paused"));
    this.#core.observer.paused();
  }

  resume(): void {
    if (this.#core.state === "ready") return;
    this.#move("ready");
    this.#core.observer.resumed();
    this.#core.advance();
  }

  drain(deadlineMs: number = Infinity): Promise<void> {
    if (this.#drain === undefined) {
      const { state } = this.#core;
      if (state === "closing" || state === "closed") return Promise.reject(refused(state));
      this.#move("draining");
      this.#drain = this.#begin<void>(deadlineMs);
      const { promise } = this.#drain.outcome;
      this.#core.advance();
      return promise;
    }
    this.#endSooner(this.#drain, deadlineMs);
    return this.#drain.outcome.promise;
  }

  close(deadlineMs: number = DEFAULT_CLOSE_DEADLINE_MS): Promise<CloseReport> {
    if (this.#close !== undefined) {
      this.#endSooner(this.#close, deadlineMs);
      return this.#close.outcome.promise;
    }
    checkOptions("Pool.close", { deadlineMs }, { deadlineMs: milliseconds });
    this.#move("closing");
    this.#close = this.#begin<CloseReport>(deadlineMs);
    const { promise } = this.#close.outcome;
    if (this.#lending.waiting === 0) this.#letGo();
    this.#core.observer.poolClosed();
    this.#core.advance();
    return promise;
  }

  /** Ends a drain or the closing once nothing is left to wait for. */
  settle(): void {
    const { state } = this.#core;
    if ((state !== "draining" && state !== "closing") || this.#lending.waiting > 0) return;
    const roster = this.#roster;
    if (state === "closing") {
      this.#letGo();
      if (roster.total + this.#connector.opening + roster.destroying === 0) this.#closed(0);
    } else if (roster.total === roster.idle) {
      const drain = this.#drain;
      this.#drain = undefined;
      this.#move("paused");
      this.#core.observer.paused();
      drain?.outcome.resolve();
    }
  }

  /** Ends what has come to its deadline. */
  expire(now: number): void {
    const drain = this.#drain;
    if (drain !== undefined && drain.deadline <= now) {
      this.#drain = undefined;
      this.pause();
      drain.outcome.reject(timeoutError("Draining the pool", drain.deadlineMs));
    }
    if (this.#core.state !== "closing" || this.#close!.deadline > now) return;
    this.#lending.failAll(() => refused("closing"));
    this.#letGo();
    const revoked = this.#roster.discardAll("poolClosed");
    if (this.#core.state === "closing") this.#closed(revoked);
  }

  #begin<V>(deadlineMs: number): Ending<V> {
    const now = this.#core.settings.clock.now();
    this.#core.wake.by(now + deadlineMs, true, now);
    return { outcome: Promise.withResolvers<V>(), deadlineMs, deadline: now + deadlineMs };
  }

  /** Of two deadlines the nearer one holds. */
  #endSooner(ending: Omit<Ending<never>, "outcome">, deadlineMs: number): void {
    const now = this.#core.settings.clock.now();
    if (now + deadlineMs >= ending.deadline) return;
    ending.deadlineMs = deadlineMs;
    ending.deadline = now + deadlineMs;
    this.#core.wake.by(ending.deadline, true, now);
  }

  /** Nobody waits for a pool that closes any more: it needs nothing that is idle or being opened. */
  #letGo(): void {
    this.#connector.abortAll(refused("closing"));
    this.#roster.discardIdle("poolClosed");
  }

  #closed(revoked: number): void {
    this.#move("closed");
    this.#core.wake.end();
    this.#close!.outcome.resolve(Object.freeze({ revoked }));
  }

  #move(to: PoolState): void {
    this.#core.move(to);
    const drain = this.#drain;
    if (drain === undefined || to === "draining") return;
    this.#drain = undefined;
    drain.outcome.reject(new FormDBError("FORMDB_ABORTED", `Draining the pool was ended: it is ${to} now`));
  }
}
