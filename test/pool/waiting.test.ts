import { describe, expect, it } from "vitest";
import { pause, type Thing, watched, world } from "./pool-world.ts";

const never = (): Promise<void> => new Promise(() => {});

describe("a caller that waits", () => {
  it("is told at its deadline what the pool looks like and who holds what", async () => {
    const { pool, clock, events } = world({ maxConnections: 1, acquireTimeoutMs: 1_000, trackHolders: true });
    await pool.acquire();
    await clock.advance(500);
    const late = watched(pool.acquire());
    watched(pool.acquire({ timeoutMs: 3_000 }));
    await clock.advance(999);
    expect(late.done).toBe(false);
    await clock.advance(1);
    expect(late.error).toMatchObject({
      code: "FORMDB_POOL_TIMEOUT",
      retryable: true,
      total: 1,
      idle: 0,
      inUse: 1,
      pending: 0,
      waiting: 1,
      max: 1,
      waitMs: 1_000,
      timeoutMs: 1_000,
      eventLoopDelayMs: 0,
    });
    expect(late.error?.holders).toEqual([
      { connection: 1, heldMs: 1_500, stack: expect.stringContaining("waiting.test.ts") },
    ]);
    expect(events).toContain("acquireFailed timeout 1000");
    expect(pool.stats()).toMatchObject({ waiting: 1, totals: { failed: { timeout: 1 } } });
  });

  it("is named by where it asked, once it is a holder itself", async () => {
    const { pool, clock } = world({ maxConnections: 1, acquireTimeoutMs: 1_000, trackHolders: true });
    const first = await pool.acquire();
    const joinsTheLine = (): Promise<Thing> => pool.acquire();
    const second = joinsTheLine();
    pool.release(first);
    await second;
    const late = watched(pool.acquire());
    await clock.advance(1_000);
    expect(late.error?.holders).toEqual([
      { connection: 1, heldMs: 1_000, stack: expect.stringContaining("joinsTheLine") },
    ]);
  });

  it("says how long the longest holder has had it, and what would tell from where", async () => {
    const { pool, clock } = world({ maxConnections: 1, acquireTimeoutMs: 1_000 });
    await pool.acquire();
    const late = watched(pool.acquire());
    const later = watched(pool.acquire({ timeoutMs: 2_000 }));
    await clock.advance(1_000);
    expect(late.error?.message).toMatch(
      /1 other caller waits; held the longest: connection 1 for 1000 ms \(trackHolders: true tells from where\)$/,
    );
    await clock.advance(1_000);
    expect(later.error?.holders).toEqual([{ connection: 1, heldMs: 2_000 }]);
  });

  it("is told that the event loop was blocked, not the pool exhausted", async () => {
    const { pool, clock } = world({ maxConnections: 1, acquireTimeoutMs: 1_000 });
    await pool.acquire();
    const late = watched(pool.acquire());
    await clock.advance(100);
    clock.jump(4_000);
    await clock.advance(400);
    expect(late.done).toBe(false);
    await clock.advance(500);
    expect(late.error?.message).toMatch(/event loop was blocked for 4000 ms/);
    expect(late.error?.eventLoopDelayMs).toBe(4_000);
  });

  it("is served by what comes back after a stall, before any timer has fired", async () => {
    const { pool, clock } = world({ maxConnections: 1, acquireTimeoutMs: 1_000 });
    const held = await pool.acquire();
    const first = watched(pool.acquire());
    const second = watched(pool.acquire());
    clock.jump(2_000);
    pool.release(held);
    await clock.advance(0);
    expect(first.value).toBe(held);
    expect(second.done).toBe(false);
    await clock.advance(499);
    pool.release(held);
    await clock.advance(0);
    expect(second.value).toBe(held);
  });

  it("has not waited while the process could not run: the stall is added to its deadline", async () => {
    const { pool, clock } = world({ maxConnections: 1, acquireTimeoutMs: 1_000 });
    await pool.acquire();
    const before = watched(pool.acquire());
    await clock.advance(400);
    clock.jump(10_000);
    const after = watched(pool.acquire());
    await clock.advance(599);
    expect(before.done).toBe(false);
    await clock.advance(1);
    expect(before.error).toMatchObject({ code: "FORMDB_POOL_TIMEOUT", waitMs: 11_000, timeoutMs: 1_000 });
    await clock.advance(500);
    expect(after.done).toBe(true);
  });

  it("times out all the same if the event loop is late all the time", async () => {
    const { pool, clock } = world({ maxConnections: 1, acquireTimeoutMs: 1_000 });
    await pool.acquire();
    const asked = watched(pool.acquire());
    for (let turn = 0; turn < 20 && !asked.done; turn++) {
      clock.jump(150);
      await clock.advance(50);
    }
    expect(asked.error?.code).toBe("FORMDB_POOL_TIMEOUT");
  });

  it("is not told of connections that time out because of a stall", async () => {
    const { pool, clock } = world({
      connectTimeoutMs: 1_000,
      beforeCreate: (_attempt, clock) => pause(clock, 700),
    });
    const asked = watched(pool.acquire());
    await clock.advance(100);
    clock.jump(10_000);
    await clock.advance(600);
    expect(asked.value?.id).toBe(1);
    expect(pool.stats().totals.connectFailures).toBe(0);
  });

  it("may have its own timeout, or none", async () => {
    const { pool, clock } = world({ maxConnections: 1 });
    await pool.acquire();
    const waits = [10, 30, 20, Infinity].map((timeoutMs) => watched(pool.acquire({ timeoutMs })));
    await clock.advance(20);
    expect(waits.map(({ done }) => done)).toEqual([true, false, true, false]);
    await clock.advance(50_000);
    expect(waits.map(({ done }) => done)).toEqual([true, true, true, false]);
  });

  it("can give up by a signal before, while and after it waits", async () => {
    const { pool, clock, events } = world({ maxConnections: 1 });
    const reason = new Error("enough");
    await expect(pool.acquire({ signal: AbortSignal.abort(reason) })).rejects.toMatchObject({
      code: "FORMDB_ABORTED",
      cause: reason,
    });
    const during = new AbortController();
    const held = await pool.acquire({ signal: during.signal });
    const waiting = watched(pool.acquire({ signal: during.signal, priority: 3 }));
    const behind = watched(pool.acquire());
    await clock.advance(40);
    during.abort(reason);
    await clock.advance(0);
    expect(waiting.error).toMatchObject({ code: "FORMDB_ABORTED", cause: reason });
    expect(events).toContain("acquireFailed aborted 40");
    pool.release(held);
    await clock.advance(0);
    expect(behind.value).toBe(held);
    expect(pool.stats().totals.failed.aborted).toBe(2);
  });

  it("that gives up leaves what is being opened to the pool", async () => {
    const { pool, clock, signals } = world({
      beforeCreate: () => new Promise<void>((resolve) => clock.schedule(resolve, 50)),
    });
    const controller = new AbortController();
    const asked = watched(pool.acquire({ signal: controller.signal }));
    controller.abort();
    await clock.advance(50);
    expect(asked.error?.code).toBe("FORMDB_ABORTED");
    expect(signals[0]?.aborted).toBe(false);
    expect(pool.stats()).toMatchObject({ total: 1, idle: 1 });
  });

  it("is refused where as many wait as may", async () => {
    const { pool } = world({ maxConnections: 1, maxWaiting: 2 });
    await pool.acquire();
    watched(pool.acquire());
    watched(pool.acquire());
    await expect(pool.acquire()).rejects.toMatchObject({
      code: "FORMDB_POOL_QUEUE_FULL",
      waiting: 2,
      shed: false,
      retryable: true,
    });
    expect(pool.stats().totals.failed.queueFull).toBe(1);
  });

  it("is shed by CoDel only while everybody has waited too long for a while", async () => {
    const { pool, clock } = world({
      maxConnections: 1,
      codelTargetMs: 5,
      codelIntervalMs: 100,
      acquireTimeoutMs: 60_000,
    });
    let shed = 0;
    const ask = async (): Promise<void> => {
      try {
        const thing = await pool.acquire();
        await new Promise<void>((resolve) => clock.schedule(resolve, 10));
        pool.release(thing);
      } catch (error) {
        expect(error).toMatchObject({ code: "FORMDB_POOL_QUEUE_FULL", shed: true });
        shed++;
      }
    };
    for (let i = 0; i < 5; i++) void ask(); // a burst that is over within the interval
    await clock.advance(500);
    expect(shed).toBe(0);
    for (let i = 0; i < 200; i++) {
      void ask();
      void ask();
      await clock.advance(10); // twice what can be served
    }
    expect(shed).toBeGreaterThan(10);
    expect(pool.stats().totals.shed).toBe(shed);
    await clock.advance(10_000);
    expect(pool.stats()).toMatchObject({ waiting: 0, inUse: 0 });
  });

  it.each([1.2, 2])("waits for twice CoDel's target at most, at %d times the capacity", async (load) => {
    const { pool, clock } = world({
      maxConnections: 10,
      minConnections: 10,
      codelTargetMs: 20,
      acquireTimeoutMs: 5_000,
    });
    const waitsMs: number[] = [];
    const ask = async (): Promise<void> => {
      const askedAt = clock.now();
      const thing = await pool.acquire().catch(() => undefined);
      if (thing === undefined) return;
      if (askedAt >= 1_000) waitsMs.push(clock.now() - askedAt);
      await pause(clock, 10);
      pool.release(thing);
    };
    for (let ms = 0, due = 0; ms < 3_000; ms++) {
      for (due += load; due >= 1; due--) void ask();
      await clock.advance(1);
    }
    expect(Math.max(...waitsMs)).toBeLessThanOrEqual(40);
    expect(waitsMs.length).toBeGreaterThan(1_950); // of the 2 000 that can be served meanwhile
  });

  it("keeps the process running, and the pool alone does not", async () => {
    const { pool, clock } = world({
      maxConnections: 1,
      minConnections: 1,
      keepaliveMs: 100,
      validate: () => true,
    });
    const held = await pool.acquire();
    await clock.advance(500);
    expect(clock.keepAlive).toBe(0);
    const asked = watched(pool.acquire({ timeoutMs: 2_000 }));
    expect(clock.keepAlive).toBe(1);
    await clock.advance(1_999);
    expect(clock.keepAlive).toBe(1);
    pool.release(held);
    await clock.advance(500);
    expect(asked.value).toBe(held);
    expect(clock.keepAlive).toBe(0);
    expect(clock.pending).toBe(1);
  });

  it("inside use of the last connection is told at once that it waits for itself", async () => {
    const { pool, clock } = world({ maxConnections: 2, detectNested: true });
    const gate = Promise.withResolvers<void>();
    const nest = (): Promise<Thing> =>
      pool.use(async () => {
        await gate.promise;
        return await pool.use((inner) => inner);
      });
    const first = watched(nest());
    const second = watched(nest());
    await clock.advance(0);
    gate.resolve();
    await clock.advance(0);
    const failed = [first, second].filter(({ error }) => error !== undefined);
    expect(failed).toHaveLength(1);
    expect(failed[0]?.error).toMatchObject({ code: "FORMDB_POOL_TIMEOUT", nested: true, retryable: false });
    expect([first, second].filter(({ value }) => value !== undefined)).toHaveLength(1);
    // Side by side is not nested: the second waits its turn.
    const side = watched(Promise.all([pool.use(never), pool.use(never), pool.use(() => 3)]));
    await clock.advance(100);
    expect(side.done).toBe(false);
  });

  it("hears of a leak: whoever holds a connection too long is reported once", async () => {
    const leaks: unknown[] = [];
    const { pool, clock } = world({ leakThresholdMs: 1_000, onLeak: (report) => leaks.push(report) });
    const thing = await pool.acquire();
    await clock.advance(5_000);
    expect(leaks).toEqual([
      {
        connection: 1,
        heldMs: 1_000,
        leakThresholdMs: 1_000,
        stack: expect.stringContaining("waiting.test.ts"),
      },
    ]);
    pool.release(thing);
    await pool.acquire();
    await clock.advance(1_000);
    expect(leaks).toHaveLength(2);
  });
});
