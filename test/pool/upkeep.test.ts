import { describe, expect, it } from "vitest";
import { Pool } from "../../src/pool/pool.ts";
import { JumpingClock, pause, watched, world } from "./pool-world.ts";

describe("upkeep", () => {
  it("closes what is idle beyond the minimum, the longest unused first", async () => {
    const { pool, clock, events } = world({ minConnections: 1, maxConnections: 4, idleTimeoutMs: 1_000 });
    const all = await Promise.all(Array.from({ length: 4 }, () => pool.acquire()));
    for (const thing of all) {
      pool.release(thing);
      await clock.advance(100);
    }
    await clock.advance(5_000);
    expect(pool.stats()).toMatchObject({ total: 1, idle: 1, totals: { closed: { idle: 3 } } });
    const closed = events.filter((event) => event.startsWith("connectionClosed"));
    expect(closed).toEqual(all.slice(0, 3).map((thing) => `connectionClosed ${thing.id} idle`));
  });

  it("ends lifetimes when idle or given back, never earlier than the jitter allows", async () => {
    const { pool, clock } = world({
      maxLifetimeMs: 10_000,
      lifetimeJitter: 0.1,
      maxConnections: 2,
      idleTimeoutMs: 1e9,
    });
    const [idle, held] = [await pool.acquire(), await pool.acquire()];
    pool.release(idle);
    await clock.advance(8_999);
    expect(idle.destroyed).toBe(false);
    await clock.advance(1);
    expect(idle.destroyed).toBe(true);
    expect(held.destroyed).toBe(false);
    pool.release(held);
    expect(held.destroyed).toBe(true);
    expect(pool.stats().totals.closed.lifetime).toBe(2);
  });

  it("opens a successor before it retires a connection, where the maximum allows it", async () => {
    const { pool, clock, events } = world({
      minConnections: 1,
      maxConnections: 2,
      maxLifetimeMs: 10_000,
      lifetimeJitter: 0,
      beforeCreate: (_attempt, clock) => pause(clock, 100),
    });
    await clock.advance(100);
    let least = 9;
    for (let i = 0; i < 30; i++) {
      await clock.advance(1_000);
      least = Math.min(least, pool.stats().total);
    }
    expect(least).toBe(1);
    const told = events.filter((event) => /^connection(Ready|Closed)/.test(event)).slice(0, 3);
    expect(told).toEqual(["connectionReady 1 100", "connectionReady 2 100", "connectionClosed 1 lifetime"]);
    expect(pool.stats().peaks.total).toBe(2);
  });

  it.each([false, true])(
    "opens one successor for what is kept beyond its lifetime (lost meanwhile: %s)",
    async (lost) => {
      const { pool, clock, things } = world({
        maxLifetimeMs: 10_000,
        lifetimeJitter: 0,
        idleTimeoutMs: 2_000,
        beforeCreate: (_attempt, clock) => pause(clock, 100),
      });
      const asked = watched(pool.acquire());
      await clock.advance(9_650);
      expect(pool.stats()).toMatchObject({ total: 1, pending: 1 });
      if (lost) asked.value!.lose(new Error("ECONNRESET"));
      await clock.advance(5_000);
      expect(things).toHaveLength(2);
      expect(pool.stats()).toMatchObject({ total: 1, inUse: 1, pending: 0 });
      pool.release(asked.value!);
    },
  );

  it("closes after maxUses loans", async () => {
    const { pool, things } = world({ maxUses: 3 });
    for (let i = 0; i < 7; i++) pool.release(await pool.acquire());
    expect(things).toHaveLength(3);
    expect(pool.stats().totals.closed.maxUses).toBe(2);
  });

  it("validates only what was idle for a while, and tries the next one where that fails", async () => {
    const asked: number[] = [];
    const { pool, clock } = world({
      minConnections: 2,
      validateAfterIdleMs: 1_000,
      idleTimeoutMs: 1e9,
      validate: async ({ id }) => {
        asked.push(id);
        await Promise.resolve();
        return id !== 2;
      },
    });
    await clock.advance(0);
    pool.release(await pool.acquire());
    expect(asked).toEqual([]);
    await clock.advance(1_001);
    const thing = await pool.acquire();
    expect(asked).toEqual([2, 1]);
    expect(thing.id).toBe(1);
    expect(pool.stats()).toMatchObject({ inUse: 1, checking: 0, totals: { closed: { error: 1 } } });
  });

  it.each([
    ["hangs", () => new Promise(() => {})],
    [
      "throws",
      () => {
        throw new Error("broken");
      },
    ],
    ["says false", () => false],
    ["rejects", () => Promise.reject(new Error("broken"))],
  ])("evicts a connection whose validation %s", async (_, validate) => {
    const { pool, clock, things } = world({
      validate,
      validateTimeoutMs: 100,
      maxConnections: 1,
      idleTimeoutMs: 1e9,
    });
    pool.release(await pool.acquire());
    await clock.advance(2_000);
    const next = watched(pool.acquire());
    await clock.advance(100);
    expect(next.value?.id).toBe(2);
    expect(things[0]?.destroyed).toBe(true);
  });

  it("keeps a caller's deadline while a validation hangs", async () => {
    const { pool, clock } = world({
      validate: () => new Promise(() => {}),
      maxConnections: 1,
      idleTimeoutMs: 1e9,
    });
    pool.release(await pool.acquire());
    await clock.advance(2_000);
    const asked = watched(pool.acquire({ timeoutMs: 50 }));
    await clock.advance(50);
    expect(asked.error?.code).toBe("FORMDB_POOL_TIMEOUT");
  });

  it("keeps idle connections alive and notices the dead ones", async () => {
    let alive = true;
    const { pool, clock, things } = world({
      minConnections: 2,
      keepaliveMs: 1_000,
      validate: () => alive,
    });
    await clock.advance(3_500);
    expect(pool.stats()).toMatchObject({ total: 2, totals: { created: 2 } });
    alive = false;
    await clock.advance(600);
    expect(things.slice(0, 2).every(({ destroyed }) => destroyed)).toBe(true);
    expect(pool.stats().total).toBe(2);
  });

  it("replaces an idle connection that is lost, and one in use when it is given back", async () => {
    const { pool, clock, things } = world({ minConnections: 2, isFatal: () => false });
    await clock.advance(0);
    things[0]!.lose(new Error("ECONNRESET"));
    await clock.advance(100);
    expect(things[0]?.destroyed).toBe(true);
    expect(pool.stats()).toMatchObject({ total: 2, idle: 2, totals: { closed: { error: 1 } } });
    const held = await pool.acquire();
    held.lose(new Error("ECONNRESET"));
    expect(held.destroyed).toBe(false);
    pool.release(held);
    expect(held.destroyed).toBe(true);
    held.lose(new Error("again"));
    await clock.advance(100);
    expect(pool.stats()).toMatchObject({ total: 2, idle: 2 });
  });

  it("evicts on fatal errors only, and replaces everything where an error says so", async () => {
    const { pool, clock, events } = world({
      minConnections: 3,
      isFatal: (error) => (error as { code: string }).code.startsWith("57P"),
      invalidates: (error) => (error as { code: string }).code === "57P01",
    });
    await clock.advance(0);
    const [a, b, c] = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
    pool.release(a, { code: "23505" });
    expect(pool.stats().idle).toBe(1);
    pool.release(b, { code: "57P01" });
    expect(pool.stats()).toMatchObject({
      idle: 0,
      generation: 1,
      totals: { closed: { error: 1, stale: 1 } },
    });
    pool.release(c);
    expect(pool.stats().totals.closed.stale).toBe(2);
    await clock.advance(0);
    expect(pool.stats()).toMatchObject({ total: 3, idle: 3 });
    expect(events.filter((event) => event === "cleared")).toHaveLength(1);
  });

  it("replaces everything once for all that one failover cuts", async () => {
    const { pool, clock, things } = world({ maxConnections: 3, invalidates: () => true });
    const [a, b, c] = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
    pool.release(a!, { code: "57P01" });
    const next = watched(pool.acquire());
    await clock.advance(0);
    expect(next.value?.id).toBe(4);
    pool.release(next.value!);
    pool.release(b!, { code: "57P01" });
    c!.lose({ code: "57P01" });
    pool.release(c!);
    expect(things.map(({ destroyed }) => destroyed)).toEqual([true, true, true, false]);
    expect(pool.stats()).toMatchObject({ idle: 1, generation: 1, totals: { closed: { error: 3 } } });
  });

  it("survives a destroy that throws, rejects or hangs", async () => {
    const failures = [
      () => {
        throw new Error("no");
      },
      () => Promise.reject(new Error("no")),
      () => new Promise(() => {}),
    ];
    let calls = 0;
    const { pool, clock } = world({ destroy: () => failures[calls++]?.(), destroyTimeoutMs: 100 });
    for (let i = 0; i < 3; i++) pool.evict(await pool.acquire());
    await clock.advance(99);
    expect(pool.stats()).toMatchObject({ total: 0, closing: 1 });
    const closed = watched(pool.close());
    await clock.advance(1);
    expect(closed.done).toBe(true);
    expect(pool.stats()).toMatchObject({ closing: 0, totals: { destroyFailures: 3 } });
  });
});

describe("invalidate", () => {
  it("replaces idle, opening and lent connections while callers go on waiting", async () => {
    const { pool, clock, events, things } = world({
      maxConnections: 2,
      beforeCreate: (_attempt, clock) => pause(clock, 10),
    });
    const held = watched(pool.acquire());
    await clock.advance(10);
    const waiting = watched(pool.acquire());
    await clock.advance(5);
    pool.invalidate();
    await clock.advance(15);
    expect(waiting.value?.id).toBe(3);
    expect(things[1]?.destroyed).toBe(true);
    pool.release(held.value!);
    expect(held.value?.destroyed).toBe(true);
    expect(events).toContain("connectionClosed 2 stale");
    expect(events).toContain("connectionClosed 1 stale");
  });

  it("of a paused pool reports nothing", async () => {
    const { pool, clock, events, things } = world({ minConnections: 1 });
    await clock.advance(0);
    pool.pause();
    pool.invalidate();
    expect(events).not.toContain("cleared");
    expect(things[0]?.destroyed).toBe(true);
    pool.resume();
    pool.invalidate();
    expect(events.filter((event) => event === "cleared")).toHaveLength(1);
  });

  it("interrupts, if asked to, what is lent and what is being opened, however long that would take", async () => {
    const { pool, clock, events, things, signals } = world({
      maxConnections: 2,
      beforeCreate: (attempt, clock) => (attempt === 2 ? pause(clock, 5_000) : undefined),
    });
    const held = await pool.acquire();
    const waiting = watched(pool.acquire());
    await clock.advance(0);
    events.length = 0;
    pool.invalidate({ interrupt: true });
    expect(held.destroyed).toBe(true);
    expect(signals[1]?.aborted).toBe(true);
    expect(events.slice(0, 3)).toEqual(["cleared", "connectionClosed 1 stale", "connectionClosed 2 stale"]);
    await clock.advance(0);
    expect(waiting.value?.id).toBe(2);
    expect(pool.stats()).toMatchObject({ total: 1, inUse: 1, pending: 0, totals: { connectFailures: 0 } });
    pool.release(held);
    expect(() => pool.release(held)).toThrowError(/has left it/);
    await clock.advance(5_000);
    expect(things.map(({ destroyed }) => destroyed)).toEqual([true, false, true]);
    expect(() => pool.invalidate({ interupt: true } as never)).toThrowError(/interupt/);
  });
});

describe("idle resources", () => {
  const counting = (): { held: number; ref: () => void; unref: () => void } => ({
    held: 1,
    ref() {
      this.held++;
    },
    unref() {
      this.held--;
    },
  });

  it("don't keep the process running, lent ones and those being closed do", async () => {
    const clock = new JumpingClock();
    const pool = new Pool({
      create: counting,
      clock,
      minConnections: 2,
      maxConnections: 2,
      validate: ({ held }) => held === 1,
    });
    const a = await pool.acquire();
    const b = await pool.acquire();
    expect([a.held, b.held]).toEqual([1, 1]);
    pool.release(a);
    pool.release(b);
    expect([a.held, b.held]).toEqual([0, 0]);
    await clock.advance(5_000);
    const again = await pool.acquire(); // validated first
    expect([a.held, b.held].sort()).toEqual([0, 1]);
    expect(pool.stats().totals.closed.error).toBe(0);
    pool.release(again);
    await pool.close();
    expect([a.held, b.held]).toEqual([1, 1]);
  });

  it("keep it with allowExitOnIdle: false", async () => {
    const pool = new Pool({ create: counting, minConnections: 1, allowExitOnIdle: false });
    const a = await pool.acquire();
    pool.release(a);
    expect(a.held).toBe(1);
    await pool.close();
  });
});
