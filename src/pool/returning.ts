import type { ConnectionCloseReason } from "../base/observer.ts";
import type { Connector } from "./connector.ts";
import type { PoolCore } from "./core.ts";
import type { Entry } from "./entry.ts";
import { judge, notLent } from "./failures.ts";
import type { Lending } from "./lending.ts";
import type { Roster } from "./roster.ts";
import type { Supply } from "./supply.ts";
import { isThenable } from "./tasks.ts";

/** What an entry that nobody has depends on. */
export interface ReturningParts<T> {
  readonly roster: Roster<T>;
  readonly connector: Connector<T>;
  readonly lending: Lending<T>;
  readonly supply: Supply<T>;
}

/**
 * What happens to an entry that nobody has any more: it is reset or validated if it needs that, and then goes
 * to who waits, or on the idle stack, or out of the pool.
 */
export class Returning<T> {
  readonly #core: PoolCore<T>;
  readonly #roster: Roster<T>;
  readonly #connector: Connector<T>;
  readonly #lending: Lending<T>;
  readonly #supply: Supply<T>;

  constructor(core: PoolCore<T>, { roster, connector, lending, supply }: ReturningParts<T>) {
    this.#core = core;
    this.#roster = roster;
    this.#connector = connector;
    this.#lending = lending;
    this.#supply = supply;
  }

  /** Ends a lease. Throws `FORMDB_CONFIG` if it is over already. */
  giveBack(
    entry: Entry<T>,
    loan: number,
    error: unknown,
    now: number = this.#core.settings.clock.now(),
  ): void {
    if (entry.loans !== loan || (entry.state !== "lent" && entry.state !== "revoked")) throw notLent(entry);
    const revoked = entry.state === "revoked";
    this.#end(entry, now);
    if (revoked) return;
    if (error !== undefined) this.#blame(entry, error);
    const { reset } = this.#core.settings;
    if (reset === undefined || this.#unfit(entry, now) !== undefined) this.#free(entry, now);
    else this.#keepBusy("Resetting a connection", reset, entry, now);
    this.#goOn(entry);
  }

  /** Ends a lease that went well, and that nobody else can have ended, of what needs no reset. */
  takeBack(entry: Entry<T>, now: number): void {
    this.#end(entry, now);
    this.#free(entry, now);
    this.#goOn(entry);
  }

  #end(entry: Entry<T>, now: number): void {
    const { counts, observer } = this.#core;
    this.#roster.takeBack(entry, now);
    counts.totals.released++;
    observer.released(entry.id, now - entry.lentAt);
  }

  #goOn({ state }: Entry<T>): void {
    if (state === "gone" || this.#core.state !== "ready") this.#core.advance();
  }

  /** Brings those who wait and what is idle together. */
  serve(): void {
    if (this.#lending.waiting === 0 || this.#roster.idle === 0) return;
    const now = this.#core.settings.clock.now();
    while (this.#lending.waiting > 0) {
      const entry = this.#roster.best(this.#lending.preferred);
      if (entry === undefined) return;
      const stale = this.#roster.needsProof(entry, now) && entry.expiresAt > now;
      if (!stale) {
        this.#roster.take(entry);
        this.#free(entry, now);
      } else if (this.#lending.waiting > this.#roster.checking) {
        this.prove(entry, now);
      } else {
        return;
      }
    }
  }

  /** Finds out whether an idle entry still works. */
  prove(entry: Entry<T>, now: number): void {
    this.#roster.take(entry);
    this.#keepBusy("Validating a connection", this.#core.settings.validate!, entry, now);
  }

  /** A busy entry goes to who waits, or on the idle stack, or out. */
  #free(entry: Entry<T>, now: number): void {
    const reason = this.#unfit(entry, now);
    if (reason !== undefined) this.#roster.discard(entry, reason);
    else if (!this.#lending.handOver(entry, now)) this.#roster.putIdle(entry, now);
  }

  /** Why an entry must not be lent again. */
  #unfit(entry: Entry<T>, now: number): ConnectionCloseReason | undefined {
    const { closing, settings, size } = this.#core;
    if (entry.doom !== undefined) return entry.doom;
    if (closing && this.#lending.waiting === 0) return "poolClosed";
    if (entry.generation !== this.#connector.generation) return "stale";
    if (entry.expiresAt <= now) return "lifetime";
    if (entry.loans >= settings.maxUses) return "maxUses";
    return this.#roster.total > size.max ? "idle" : undefined;
  }

  #blame(entry: Entry<T>, error: unknown): void {
    if (judge(this.#core.settings.isFatal, error)) entry.doom ??= "error";
    if (this.#supply.invalidateFor(error, entry.generation)) entry.doom ??= "error";
  }

  /** Has the user's code look after a busy entry, which is free again or goes according to how that ends. */
  #keepBusy(what: string, hook: (resource: T) => unknown, entry: Entry<T>, now: number): void {
    const { settings, tasks, wake } = this.#core;
    const end = (good: boolean): void => {
      if (entry.state !== "busy") return;
      const endedAt = settings.clock.now();
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
    const { validateTimeoutMs } = settings;
    tasks.watch({ what, timeoutMs: validateTimeoutMs, now }, outcome, (error, value) => {
      end(error === undefined && value !== false);
    });
    wake.by(now + validateTimeoutMs, this.#lending.waiting > 0, now);
  }
}
