import fc from "fast-check";
import { expect, it } from "vitest";
import { Pool } from "../../src/pool/pool.ts";
import { JumpingClock, type Watched, watched } from "./pool-world.ts";

// How many random histories, of up to 120 steps each; FORMDB_MODEL_RUNS makes it a long run.
const RUNS = Number(process.env.FORMDB_MODEL_RUNS ?? 300);
const STEPS = 120;

interface Resource {
  readonly id: number;
  dead: boolean;
  destroyed: boolean;
  lose: () => void;
}

interface Caller {
  readonly asked: Watched<Resource>;
  readonly abort: AbortController;
}

/** What the outside knows: who asked, who has what, how creating and validating go at present. */
class Outside {
  readonly clock: JumpingClock = new JumpingClock();
  readonly resources: Resource[] = [];
  readonly lent: Set<Resource> = new Set();
  readonly pool: Pool<Resource>;
  callers: Caller[] = [];
  creating: "works" | "fails" | "hangs" | "slow" = "works";
  healthy = true;
  max = 3;
  bound = 3;
  before = 3;
  steps = 0;
  created = 0;
  closed = 0;
  acquired = 0;
  failed = 0;
  asked = 0;

  constructor(seed: number) {
    let state = seed;
    this.pool = new Pool<Resource>({
      create: () => this.#create(),
      destroy: (resource) => {
        expect(resource.destroyed).toBe(false);
        resource.destroyed = true;
        if (resource.id % 5 === 0) throw new Error("destroy fails");
        return resource.id % 7 === 0 ? new Promise(() => {}) : undefined;
      },
      validate: async (resource) => this.healthy && !resource.dead,
      reset: (resource) => (resource.id % 3 === 0 ? Promise.resolve() : undefined),
      watch: (resource, report) => {
        resource.lose = () => report(new Error("lost"));
      },
      minConnections: 1,
      maxConnections: this.max,
      acquireTimeoutMs: 500,
      idleTimeoutMs: 2_000,
      maxLifetimeMs: 5_000,
      keepaliveMs: 1_500,
      maxUses: 20,
      maxWaiting: 8,
      connectTimeoutMs: 300,
      validateTimeoutMs: 100,
      destroyTimeoutMs: 100,
      clock: this.clock,
      random: () => {
        state = (state * 16_807) % 2_147_483_647;
        return state / 2_147_483_647;
      },
      observer: {
        connectionCreated: () => void this.created++,
        connectionClosed: () => void this.closed++,
        acquireStarted: () => void this.asked++,
        acquired: () => void this.acquired++,
        acquireFailed: () => void this.failed++,
      },
    });
  }

  async #create(): Promise<Resource> {
    const how = this.creating;
    if (how === "fails") throw new Error("no route");
    if (how === "hangs") await new Promise(() => {});
    if (how === "slow") await new Promise<void>((resolve) => this.clock.schedule(resolve, 50));
    const resource = { id: this.resources.length + 1, dead: false, destroyed: false, lose: () => {} };
    this.resources.push(resource);
    return resource;
  }

  ask(priority: number, timeoutMs: number | undefined): void {
    const abort = new AbortController();
    const asked = watched(this.pool.acquire({ priority, timeoutMs, signal: abort.signal }));
    this.callers.push({ asked, abort });
  }

  /** Time goes on, what settled is noted, and everything that must always hold is checked. */
  async check(ms: number): Promise<void> {
    await this.clock.advance(ms);
    this.steps++;
    for (const { asked } of this.callers) {
      if (asked.value === undefined) continue;
      expect(this.lent.has(asked.value), "lent twice").toBe(false);
      expect(asked.value.destroyed, "lent though destroyed").toBe(false);
      this.lent.add(asked.value);
    }
    this.callers = this.callers.filter(({ asked }) => !asked.done);
    const stats = this.pool.stats();
    expect(stats.idle).toBeGreaterThanOrEqual(0);
    expect(stats.total).toBe(stats.idle + stats.inUse);
    expect(stats.inUse, "in use").toBe(this.lent.size + stats.checking);
    // What is open or opening when the maximum shrinks goes down to it and never up.
    this.bound = Math.min(this.bound, Math.max(this.max, stats.total + stats.pending));
    expect(stats.total + stats.pending).toBeLessThanOrEqual(this.before);
    this.before = this.bound;
    expect(stats.waiting, "waiting").toBe(this.callers.length);
    expect(this.created).toBe(stats.pending + stats.total + this.closed);
    expect(this.asked).toBe(this.acquired + this.failed + stats.waiting);
    if (stats.waiting > stats.checking) expect(stats.idle, "idle while somebody waits").toBe(0);
    const alive = this.resources.filter(({ destroyed }) => !destroyed).length;
    expect(alive, "a resource was lost").toBe(stats.total);
  }
}

type Step = (outside: Outside) => void;
const pick = <V>(values: Iterable<V>, n: number): V | undefined => {
  const all = [...values];
  return all[n % Math.max(1, all.length)];
};

/** A step that says in a counterexample what it does. */
function named(name: string, step: Step): Step {
  return Object.assign(step, { [fc.toStringMethod]: () => name });
}

const giveBack = (n: number, how: "well" | "fatal" | "evict"): Step =>
  named(`give back ${n} ${how}`, (o) => {
    const resource = pick(o.lent, n);
    if (resource === undefined) return;
    const nobodyWaits = o.callers.length === 0;
    o.lent.delete(resource);
    if (how === "evict") o.pool.evict(resource);
    else o.pool.release(resource, how === "fatal" ? new Error("fatal") : undefined);
    if (nobodyWaits) expect(() => o.pool.release(resource)).toThrowError(/must be lent/);
  });

const lose = (n: number): Step =>
  named(`lose ${n}`, (o) => {
    const alive = o.resources.filter(({ destroyed }) => !destroyed);
    const resource = pick(alive, n);
    if (resource !== undefined) resource.dead = true;
    resource?.lose();
  });

const tryAcquire: Step = named("try", (o) => {
  const resource = o.pool.tryAcquire();
  if (resource !== undefined)
    o.callers.push({ asked: { done: true, value: resource }, abort: new AbortController() });
});

const { nat, constantFrom, constant, boolean, integer } = fc;
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(constantFrom(0, 0, 0, 1, -1), constantFrom(undefined, undefined, 50, 700))
      .map(([priority, timeoutMs]) =>
        named(`ask ${priority} ${timeoutMs}`, (o) => o.ask(priority, timeoutMs)),
      ),
  },
  {
    weight: 7,
    arbitrary: fc
      .tuple(
        nat(),
        constantFrom("well" as const, "well" as const, "well" as const, "fatal" as const, "evict" as const),
      )
      .map(([n, how]) => giveBack(n, how)),
  },
  { weight: 2, arbitrary: nat().map((n) => named(`abort ${n}`, (o) => pick(o.callers, n)?.abort.abort())) },
  { weight: 2, arbitrary: nat().map(lose) },
  {
    weight: 2,
    arbitrary: constantFrom<Outside["creating"]>("works", "works", "works", "fails", "hangs", "slow").map(
      (how) =>
        named(`create ${how}`, (o) => {
          o.creating = how;
        }),
    ),
  },
  {
    weight: 1,
    arbitrary: boolean().map((healthy) =>
      named(`healthy ${healthy}`, (o) => {
        o.healthy = healthy;
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: integer({ min: 1, max: 6 }).map((max) =>
      named(`max ${max}`, (o) => {
        const { total, pending } = o.pool.stats();
        o.pool.resize({ max });
        o.max = max;
        o.bound = Math.max(max, total + pending);
        o.before = o.bound;
      }),
    ),
  },
  { weight: 1, arbitrary: constant(named("invalidate", (o) => o.pool.invalidate())) },
  {
    weight: 1,
    arbitrary: constant(
      named("interrupt", (o) => {
        o.pool.invalidate({ interrupt: true });
        // Every holder still gives back what was taken from it, once.
        for (const resource of o.lent) {
          expect(resource.destroyed, "interrupted and still open").toBe(o.pool.state !== "closed");
          o.pool.release(resource);
          expect(() => o.pool.release(resource)).toThrowError(/has left it/);
        }
        o.lent.clear();
      }),
    ),
  },
  { weight: 1, arbitrary: constant(named("pause", (o) => o.pool.pause())) },
  { weight: 4, arbitrary: constant(named("resume", (o) => o.pool.resume())) },
  {
    weight: 1,
    arbitrary: constantFrom(30, 400, 900).map((ms) => named(`block ${ms}`, (o) => o.clock.jump(ms))),
  },
  { weight: 1, arbitrary: constant(tryAcquire) },
);

it("loses nothing, lends nothing twice and forgets nobody, whatever happens", {
  timeout: 60_000 + RUNS * 100,
}, async () => {
  let total = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.array(fc.tuple(steps, fc.constantFrom(0, 0, 0, 1, 10, 60, 600, 2_500)), {
        minLength: 20,
        maxLength: STEPS,
        size: "max",
      }),
      async (seed, history) => {
        const outside = new Outside(seed);
        await outside.check(0);
        for (const [step, ms] of history) {
          step(outside);
          await outside.check(ms);
        }
        // Nobody waits for ever.
        outside.pool.resume();
        await outside.check(1_500);
        expect(outside.pool.stats().waiting).toBe(0);
        // The database is well again: the pool is too.
        outside.creating = "works";
        outside.healthy = true;
        for (const resource of outside.lent) outside.pool.release(resource);
        outside.lent.clear();
        await outside.check(20_000);
        outside.ask(0, undefined);
        await outside.check(400);
        expect(outside.lent.size).toBe(1);

        const waiting = watched(outside.pool.acquire({ timeoutMs: 10_000 }));
        const closed = watched(outside.pool.close({ deadlineMs: 1_000 }));
        await outside.clock.advance(1_000);
        expect(waiting.done && closed.done).toBe(true);
        expect(outside.resources.every(({ destroyed }) => destroyed)).toBe(true);
        expect(outside.clock.pending, "a timer is left").toBe(0);
        expect(outside.pool.stats()).toMatchObject({ total: 0, waiting: 0, pending: 0, state: "closed" });
        expect(outside.created).toBe(outside.closed);
        total += outside.steps;
      },
    ),
    { numRuns: RUNS },
  );
  expect(total).toBeGreaterThan(RUNS * 20);
  console.log(`model: ${total} steps`);
});
