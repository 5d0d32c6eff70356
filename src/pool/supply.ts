import { configError } from "../base/options.ts";
import type { Attempt, ConnectorOwner } from "./connector.ts";
import type { PoolCore } from "./core.ts";
import type { Departures } from "./departures.ts";
import { Entry } from "./entry.ts";
import { connectionLost, judge } from "./failures.ts";
import { replaceAt } from "./maintenance.ts";
import type { Refusals } from "./refusals.ts";
import type { Returning } from "./returning.ts";

/**
 * Keeps a pool supplied: decides how many connections are missing, makes entries of those that arrive,
 * and hears of those that are lost while nobody uses them.
 */
export class Supply<T> implements ConnectorOwner<T> {
  readonly #core: PoolCore<T>;
  readonly #refusals: Refusals<T>;
  readonly #returning: Returning<T>;
  readonly #departures: Departures<T>;

  constructor(core: PoolCore<T>, refusals: Refusals<T>, returning: Returning<T>, departures: Departures<T>) {
    this.#core = core;
    this.#refusals = refusals;
    this.#returning = returning;
    this.#departures = departures;
  }

  /** Opens what callers, the minimum and coming retirements ask for, within the maximum. */
  grow(): void {
    const { state, connector, queue, roster, size, settings, wake } = this.#core;
    if (state !== "ready" && state !== "draining") return;
    const { total } = roster;
    const { opening, promising } = connector;
    const demanded = queue.length - this.#core.checking - promising;
    const wanted =
      state === "draining"
        ? demanded
        : Math.max(demanded, size.min - total - opening, this.#core.replacing - opening);
    if (wanted <= 0 || total + opening >= size.max) return;
    connector.open(wanted, size.max - total, this.#core.generation, this);
    const now = settings.clock.now();
    const retryAt = connector.nextAttemptAt();
    if (retryAt > now && wake.isLaterThan(retryAt)) wake.by(retryAt, queue.length > 0, now);
  }

  /** Asks for a successor of an entry that is to retire. */
  wantSuccessor(entry: Entry<T>): void {
    entry.replacing = true;
    this.#core.replacing++;
  }

  attemptStarted({ id, startedAt }: Attempt<T>): void {
    const { counts, observer, queue, settings, wake } = this.#core;
    counts.totals.created++;
    wake.by(startedAt + settings.connectTimeoutMs, queue.length > 0, startedAt);
    observer.connectionCreated(id);
  }

  attemptSucceeded(attempt: Attempt<T>, resource: T): unknown {
    const core = this.#core;
    const { id, host, startedAt, generation } = attempt;
    if (core.roster.has(resource)) {
      return configError(
        "A pool's create must give a new resource each time, not one that the pool has already",
      );
    }
    if (core.closing || generation !== core.generation) {
      this.#departures.count(id, core.closing ? "poolClosed" : "stale");
      this.#departures.destroy(resource);
      core.whole.pump();
      return undefined;
    }
    const { clock, maxLifetimeMs, lifetimeJitter, random } = core.settings;
    const now = clock.now();
    const expiresAt = now + maxLifetimeMs * (1 - lifetimeJitter * random());
    const entry = new Entry<T>(id, resource, host, generation, now, expiresAt);
    const unusable = this.#watch(entry);
    if (unusable !== undefined) {
      this.#departures.destroy(resource);
      return unusable;
    }
    host.succeeded();
    core.roster.add(entry);
    const { totals, peaks } = core.counts;
    totals.ready++;
    if (core.roster.total > peaks.total) peaks.total = core.roster.total;
    core.wake.by(replaceAt(maxLifetimeMs, expiresAt), false, now);
    core.observer.connectionReady(id, now - startedAt);
    this.#returning.free(entry, now);
    this.#retireReplaced();
    core.whole.pump();
    return undefined;
  }

  attemptFailed({ id, generation }: Attempt<T>, error: unknown): void {
    const core = this.#core;
    const stale = generation !== core.generation;
    const wanted = !core.closing && !stale;
    if (wanted) core.counts.totals.connectFailures++;
    this.#departures.count(id, core.closing ? "poolClosed" : stale ? "stale" : "error");
    if (wanted) this.#invalidateFor(error);
    this.#refusals.tellIfPointless();
    core.whole.pump();
  }

  attemptTooLate(resource: T): void {
    this.#departures.destroy(resource);
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
    const { connector, whole } = this.#core;
    entry.doom = "error";
    if (entry.loans === 0) connector.lostUnused(entry.host, entry.usedAt, error ?? connectionLost());
    if (entry.state === "idle") this.#departures.discard(entry, "error");
    this.#invalidateFor(error);
    this.#refusals.tellIfPointless();
    whole.pump();
  }

  /** A connection that is lost for a reason that concerns all of them takes all of them along. */
  #invalidateFor(error: unknown): void {
    const { roster, settings, whole } = this.#core;
    const { invalidates } = settings;
    if (roster.total > 0 && invalidates !== undefined && judge(invalidates, error)) whole.invalidate();
  }

  /** A successor came: one of those that it was opened for can go. */
  #retireReplaced(): void {
    if (this.#core.replacing === 0) return;
    let busy: Entry<T> | undefined;
    for (const entry of this.#core.roster.entries()) {
      if (!entry.replacing || entry.doom !== undefined) continue;
      if (entry.state === "idle") {
        this.#departures.discard(entry, "lifetime");
        return;
      }
      busy ??= entry;
    }
    if (busy === undefined) return;
    busy.doom = "lifetime";
    busy.replacing = false;
    this.#core.replacing--;
  }
}
