import { FormDBError } from "../base/errors.ts";
import { configError } from "../base/options.ts";
import type { Attempt, Connector, ConnectorOwner } from "./connector.ts";
import type { PoolCore } from "./core.ts";
import { Entry } from "./entry.ts";
import { connectionLost, judge } from "./failures.ts";
import type { Lending } from "./lending.ts";
import type { Roster } from "./roster.ts";

/** How long before its end a successor is wanted: a share of the lifetime, and never more than this. */
const REPLACE_AHEAD_MS = 5_000;
const REPLACE_AHEAD_SHARE = 0.05;

/** When an entry's successor should be opened. */
export function replaceAt(maxLifetimeMs: number, expiresAt: number): number {
  return expiresAt - Math.min(REPLACE_AHEAD_MS, maxLifetimeMs * REPLACE_AHEAD_SHARE);
}

/**
 * Keeps a pool supplied: decides how many connections are missing, makes entries of those that arrive, closes those
 * that are lost, and makes all of them stale.
 */
export class Supply<T> implements ConnectorOwner<T> {
  readonly #core: PoolCore<T>;
  readonly #roster: Roster<T>;
  readonly #connector: Connector<T>;
  readonly #lending: Lending<T>;

  constructor(core: PoolCore<T>, roster: Roster<T>, connector: Connector<T>, lending: Lending<T>) {
    this.#core = core;
    this.#roster = roster;
    this.#connector = connector;
    this.#lending = lending;
  }

  /** Opens what callers, the minimum and coming retirements ask for, within the maximum. */
  grow(): void {
    const { state, size, settings, wake } = this.#core;
    if (state === "paused" || state === "closed") return;
    const { total, checking, replacing } = this.#roster;
    const { waiting } = this.#lending;
    const { opening } = this.#connector;
    const demanded = waiting - checking - opening;
    const wanted =
      state === "ready" ? Math.max(demanded, size.min - total - opening, replacing - opening) : demanded;
    if (wanted <= 0 || total + opening >= size.max) return;
    this.#connector.open(wanted, size.max - total, this);
    const now = settings.clock.now();
    const retryAt = this.#connector.nextAttemptAt;
    if (retryAt > now && wake.isLaterThan(retryAt)) wake.by(retryAt, waiting > 0, now);
  }

  /**
   * Makes every connection stale: idle ones go now, lent ones when they are given back, and what is being
   * opened is told to end. With `interrupt` lent ones are closed now, and attempts to connect ended now.
   */
  invalidate(interrupt: boolean): void {
    const { counts, observer, state } = this.#core;
    if (this.#core.closing) return;
    this.#connector.startGeneration();
    counts.totals.invalidations++;
    if (state !== "paused") observer.cleared();
    const reason = new FormDBError("FORMDB_ABORTED", "The pool was invalidated meanwhile");
    if (interrupt) {
      this.#roster.discardAll("stale");
      this.#connector.interruptAll(reason);
    } else {
      this.#connector.abortAll(reason);
      this.#roster.discardIdle("stale");
    }
  }

  /**
   * An error that concerns every connection takes all of them along, once: those that were opened since then are
   * newer than what the others of its time still have to say. Gives whether the error is one.
   */
  invalidateFor(error: unknown, generation: number): boolean {
    const { invalidates } = this.#core.settings;
    if (invalidates === undefined || !judge(invalidates, error)) return false;
    if (generation === this.#connector.generation && this.#roster.total > 0) this.invalidate(false);
    return true;
  }

  attemptStarted({ id, startedAt }: Attempt): void {
    const { counts, observer, settings, wake } = this.#core;
    counts.totals.created++;
    wake.by(startedAt + settings.connectTimeoutMs, this.#lending.waiting > 0, startedAt);
    observer.connectionCreated(id);
  }

  attemptSucceeded(attempt: Attempt, resource: T): unknown {
    const core = this.#core;
    const roster = this.#roster;
    const { id, startedAt, generation } = attempt;
    if (roster.has(resource)) {
      return configError(
        "A pool's create must give a new resource each time, not one that the pool has already",
      );
    }
    if (this.#unwanted(attempt)) {
      roster.countClosed(id, core.closing ? "poolClosed" : "stale");
      roster.destroy(resource);
      return undefined;
    }
    const { clock, maxLifetimeMs, lifetimeJitter, random } = core.settings;
    const now = clock.now();
    const expiresAt = now + maxLifetimeMs * (1 - lifetimeJitter * random());
    const entry = new Entry<T>(id, resource, generation, now, expiresAt);
    const unusable = this.#watch(entry);
    if (unusable !== undefined) {
      roster.destroy(resource);
      return unusable;
    }
    this.#connector.succeeded();
    roster.add(entry);
    core.counts.totals.ready++;
    core.wake.by(replaceAt(maxLifetimeMs, expiresAt), false, now);
    core.observer.connectionReady(id, now - startedAt);
    // Idle until the pool advances, which it does at the end of each attempt.
    if (entry.state === "busy") roster.putIdle(entry, now);
    if (core.state === "ready") roster.discardSurplus();
    this.#retireReplaced();
    return undefined;
  }

  attemptFailed(attempt: Attempt, error: unknown): void {
    const core = this.#core;
    const unwanted = this.#unwanted(attempt);
    if (!unwanted) core.counts.totals.connectFailures++;
    this.#roster.countClosed(attempt.id, !unwanted ? "error" : core.closing ? "poolClosed" : "stale");
    if (!unwanted) this.invalidateFor(error, attempt.generation);
    this.#lending.tellIfPointless();
  }

  attemptTooLate(resource: T): void {
    this.#roster.destroy(resource);
  }

  /** Nobody waits for what an attempt brings: the pool closes, or everything of its time is stale. */
  #unwanted({ generation }: Attempt): boolean {
    if (this.#core.closing && this.#lending.waiting === 0) return true;
    return generation !== this.#connector.generation;
  }

  /** Listens for the loss of a new entry; gives the error of one that is lost, or can't be watched, already. */
  #watch(entry: Entry<T>): unknown {
    const { watch } = this.#core.settings;
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
    if (entry.loans === 0) this.#connector.lostUnused(entry.usedAt, error ?? connectionLost());
    if (entry.state === "idle") this.#roster.discard(entry, "error");
    this.invalidateFor(error, entry.generation);
    this.#lending.tellIfPointless();
    this.#core.advance();
  }

  /** A successor came: one of those that it was opened for can go. */
  #retireReplaced(): void {
    if (this.#roster.replacing === 0) return;
    let busy: Entry<T> | undefined;
    for (const entry of this.#roster.entries()) {
      if (!entry.replacing) continue;
      if (entry.state === "idle") {
        this.#roster.discard(entry, "lifetime");
        return;
      }
      busy ??= entry;
    }
    if (busy === undefined) return;
    busy.doom ??= "lifetime";
    this.#roster.setReplacing(busy, false);
  }
}
