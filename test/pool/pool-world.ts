import type { Timer } from "../../src/base/clock.ts";
import { POOL_EVENTS, type PoolObserver } from "../../src/base/observer.ts";
import { Pool, type PoolOptions } from "../../src/pool/pool.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** A resource that tells what became of it. */
export interface Thing {
  readonly id: number;
  destroyed: boolean;
  /** Reports the loss of this resource to the pool. */
  lose: (error: unknown) => void;
}

/** A manual clock that can also jump, as time does while the event loop is blocked. */
export class JumpingClock extends ManualClock {
  #jumped = 0;
  keepAlive = 0;

  override now(): number {
    return super.now() + this.#jumped;
  }

  jump(ms: number): void {
    this.#jumped += ms;
  }

  override schedule(
    callback: () => void,
    delayMs: number,
    options?: { readonly keepAlive?: boolean },
  ): Timer {
    const counts = (options?.keepAlive ?? true) ? 1 : 0;
    this.keepAlive += counts;
    let over = false;
    const end = (): void => {
      if (!over) this.keepAlive -= counts;
      over = true;
    };
    const timer = super.schedule(() => {
      end();
      callback();
    }, delayMs);
    return {
      cancel: () => {
        end();
        timer.cancel();
      },
    };
  }
}

/** A pool of things, everything that it made, and everything that it said. */
export interface World {
  readonly clock: JumpingClock;
  readonly pool: Pool<Thing>;
  readonly things: Thing[];
  readonly events: string[];
  readonly signals: AbortSignal[];
}

export interface WorldOptions extends Partial<PoolOptions<Thing>> {
  /** Called before each thing is made: waits, fails, or does nothing. */
  readonly beforeCreate?: (attempt: number, clock: JumpingClock) => unknown;
}

/** Nothing is opened ahead of need unless the test says so; chance always takes the most. */
export function world({ beforeCreate, ...options }: WorldOptions = {}): World {
  const clock = new JumpingClock();
  const things: Thing[] = [];
  const events: string[] = [];
  const signals: AbortSignal[] = [];
  let attempts = 0;
  const observer: Record<string, (...values: unknown[]) => void> = {};
  for (const name of POOL_EVENTS)
    observer[name] = (...values) => void events.push([name, ...values].join(" "));
  const pool = new Pool<Thing>({
    create: async (signal) => {
      signals.push(signal);
      await beforeCreate?.(++attempts, clock);
      const thing: Thing = { id: things.length + 1, destroyed: false, lose: () => {} };
      things.push(thing);
      return thing;
    },
    destroy: (thing) => {
      thing.destroyed = true;
    },
    watch: (thing, report) => {
      thing.lose = report;
    },
    minConnections: 0,
    clock,
    observer: observer as PoolObserver,
    random: () => 1,
    ...options,
  });
  return { clock, pool, things, events, signals };
}

/** Resolves when the clock has gone on by so much. */
export function pause(clock: JumpingClock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.schedule(resolve, ms));
}

/** How a promise stands, without waiting for it. */
export interface Watched<V> {
  value?: V;
  error?: { readonly code?: string } & Record<string, unknown>;
  done: boolean;
}

export function watched<V>(promise: Promise<V>): Watched<V> {
  const state: Watched<V> = { done: false };
  promise.then(
    (value) => Object.assign(state, { value, done: true }),
    (error: unknown) => Object.assign(state, { error, done: true }),
  );
  return state;
}
