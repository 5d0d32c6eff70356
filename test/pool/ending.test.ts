import { describe, expect, it } from "vitest";
import { pause, watched, world } from "./pool-world.ts";

describe("pause and resume", () => {
  it("turn callers away and let them in again", async () => {
    const { pool, clock, events, things } = world({
      startPaused: true,
      minConnections: 1,
      maxConnections: 1,
    });
    expect(pool.state).toBe("paused");
    await expect(pool.acquire()).rejects.toMatchObject({ code: "FORMDB_POOL_PAUSED", retryable: true });
    await clock.advance(1_000);
    expect(things).toHaveLength(0);
    pool.resume();
    const held = await pool.acquire();
    const waiting = watched(pool.acquire());
    pool.pause();
    pool.pause();
    await clock.advance(0);
    expect(waiting.error?.code).toBe("FORMDB_POOL_PAUSED");
    expect(pool.tryAcquire()).toBeUndefined();
    pool.release(held);
    expect(pool.stats()).toMatchObject({ state: "paused", idle: 1 });
    pool.resume();
    expect(await pool.acquire()).toBe(held);
    expect(events.filter((event) => event === "paused" || event === "resumed")).toEqual([
      "paused",
      "resumed",
      "paused",
      "resumed",
    ]);
    expect(events).toContain("acquireFailed poolPaused 0");
  });
});

describe("resize", () => {
  it("grows and shrinks, lent connections when they come back", async () => {
    const { pool, clock } = world({ maxConnections: 2 });
    const held = [await pool.acquire(), await pool.acquire()];
    const waiting = watched(pool.acquire());
    pool.resize({ max: 3 });
    await clock.advance(0);
    expect(waiting.value).toBeDefined();
    pool.release(held[0]!);
    pool.resize({ min: 0, max: 1 });
    expect(pool.stats()).toMatchObject({ total: 2, idle: 0, max: 1 });
    pool.release(held[1]!);
    expect(pool.stats()).toMatchObject({ total: 1, inUse: 1 });
    expect(() => pool.resize({ min: 2 })).toThrowError(expect.objectContaining({ code: "FORMDB_CONFIG" }));
    expect(() => pool.resize({ maximum: 2 } as never)).toThrowError(/maximum/);
    pool.resize({ min: 3, max: 4 });
    await clock.advance(0);
    expect(pool.stats()).toMatchObject({ total: 3, min: 3, max: 4 });
  });
});

describe("drain", () => {
  it("serves who waits, turns newcomers away, and ends paused", async () => {
    const { pool, clock } = world({ maxConnections: 1 });
    const held = await pool.acquire();
    const waiting = watched(pool.acquire());
    const drained = watched(pool.drain());
    await expect(pool.acquire()).rejects.toMatchObject({ code: "FORMDB_POOL_PAUSED" });
    pool.release(held);
    await clock.advance(0);
    expect(waiting.value).toBe(held);
    expect(drained.done).toBe(false);
    pool.release(held);
    await clock.advance(0);
    expect(drained.done).toBe(true);
    expect(pool.state).toBe("paused");
  });

  it("ends at its deadline, or when the pool is resumed or closed meanwhile", async () => {
    const { pool, clock } = world({ maxConnections: 1 });
    const held = await pool.acquire();
    const late = watched(pool.drain({ deadlineMs: 100 }));
    await clock.advance(100);
    expect(late.error?.code).toBe("FORMDB_TIMEOUT");
    expect(pool.state).toBe("paused");
    const resumed = watched(pool.drain());
    pool.resume();
    await clock.advance(0);
    expect(resumed.error?.code).toBe("FORMDB_ABORTED");
    const closed = watched(pool.drain());
    void pool.close();
    await clock.advance(0);
    expect(closed.error?.code).toBe("FORMDB_ABORTED");
    pool.release(held);
  });

  it("called again keeps the nearer of the deadlines", async () => {
    const { pool, clock } = world({ maxConnections: 1 });
    const held = await pool.acquire();
    const drained = watched(pool.drain());
    await clock.advance(50);
    const again = watched(pool.drain({ deadlineMs: 100 }));
    void pool.drain({ deadlineMs: 200 }).catch(() => {});
    await clock.advance(99);
    expect(drained.done).toBe(false);
    await clock.advance(1);
    expect([drained.error?.code, again.error?.code]).toEqual(["FORMDB_TIMEOUT", "FORMDB_TIMEOUT"]);
    expect(again.error?.message).toContain("100 ms");
    pool.release(held);
  });
});

describe("close", () => {
  it("refuses newcomers, serves who waits, closes what is idle, waits for what is lent", async () => {
    const { pool, clock, events, things } = world({ minConnections: 2, maxConnections: 2 });
    const [a, b] = await Promise.all([pool.acquire(), pool.acquire()]);
    pool.release(a);
    const waiting = [watched(pool.acquire()), watched(pool.acquire())];
    await clock.advance(0);
    expect(events).not.toContain("poolClosed");
    const closed = watched(pool.close());
    expect(events.at(-1)).toBe("poolClosed");
    await expect(pool.acquire()).rejects.toMatchObject({ code: "FORMDB_POOL_CLOSED", retryable: false });
    await clock.advance(10);
    expect(waiting[1]?.done).toBe(false);
    expect(closed.done).toBe(false);
    expect(pool.state).toBe("closing");
    pool.release(b);
    await clock.advance(0);
    expect(waiting[1]?.value).toBe(b);
    pool.release(b);
    pool.release(waiting[0]!.value!);
    await clock.advance(0);
    expect(closed.value).toEqual({ revoked: 0 });
    expect(pool.state).toBe("closed");
    expect(things.every(({ destroyed }) => destroyed)).toBe(true);
    expect(events.filter((event) => event === "poolClosed")).toHaveLength(1);
    expect(events.at(-1)).toMatch(/^connectionClosed \d poolClosed$/);
    expect(clock.pending).toBe(0);
    expect(pool.close()).toBe(pool.close());
    for (const call of [() => pool.pause(), () => pool.resume()]) {
      expect(call).toThrowError(expect.objectContaining({ code: "FORMDB_POOL_CLOSED" }));
    }
    await expect(pool.drain()).rejects.toMatchObject({ code: "FORMDB_POOL_CLOSED" });
  });

  it("takes what is still lent at the deadline, and lets its holder give it back in peace", async () => {
    const { pool, clock, events } = world();
    const held = await pool.acquire();
    const closed = watched(pool.close({ deadlineMs: 1_000 }));
    await clock.advance(999);
    expect(held.destroyed).toBe(false);
    await clock.advance(1);
    expect(closed.value).toEqual({ revoked: 1 });
    expect(held.destroyed).toBe(true);
    expect(pool.stats()).toMatchObject({ state: "closed", total: 0, inUse: 0 });
    pool.release(held);
    expect(() => pool.release(held)).toThrowError(/never came from this pool, or has left it/);
    expect(events.filter((event) => event.startsWith("connectionClosed"))).toEqual([
      "connectionClosed 1 poolClosed",
    ]);
    expect(clock.pending).toBe(0);
  });

  it("refuses at the deadline whoever still waits", async () => {
    const { pool, clock } = world({ maxConnections: 1 });
    await pool.acquire();
    const waiting = watched(pool.acquire({ timeoutMs: Infinity }));
    const closed = watched(pool.close({ deadlineMs: 1_000 }));
    await clock.advance(999);
    expect(waiting.done).toBe(false);
    await clock.advance(1);
    expect(waiting.error).toMatchObject({ code: "FORMDB_POOL_CLOSED", retryable: false });
    expect(closed.value).toEqual({ revoked: 1 });
  });

  it("waits for holders without end, if that is asked for", async () => {
    const { pool, clock } = world();
    const held = await pool.acquire();
    const closed = watched(pool.close({ deadlineMs: Infinity }));
    await clock.advance(3_600_000);
    expect(closed.done).toBe(false);
    pool.release(held);
    await clock.advance(0);
    expect(closed.value).toEqual({ revoked: 0 });
    expect(clock.pending).toBe(0);
  });

  it("goes on opening connections for those who wait, and for nobody else", async () => {
    const { pool, clock, things } = world({
      minConnections: 3,
      maxConnections: 3,
      beforeCreate: (_attempt, clock) => pause(clock, 50),
    });
    const waiting = watched(pool.acquire());
    const closed = watched(pool.close());
    await clock.advance(50);
    expect(waiting.value?.id).toBe(1);
    pool.release(waiting.value!);
    await clock.advance(100);
    expect(closed.value).toEqual({ revoked: 0 });
    expect(things).toHaveLength(2);
    expect(things.every(({ destroyed }) => destroyed)).toBe(true);
  });

  it("tells who waits if no connection can be opened any more", async () => {
    const { pool, clock } = world({
      beforeCreate: () => {
        throw new Error("refused");
      },
    });
    const waiting = watched(pool.acquire());
    const closed = watched(pool.close());
    await clock.advance(1_000);
    expect(waiting.error?.code).toBe("FORMDB_CONNECT_FAILED");
    expect(closed.value).toEqual({ revoked: 0 });
  });

  it("keeps to the nearer deadline when it is called again", async () => {
    const { pool, clock } = world();
    await pool.acquire();
    const closed = watched(pool.close());
    void pool.close({ deadlineMs: 10 });
    await clock.advance(10);
    expect(closed.value).toEqual({ revoked: 1 });
  });

  it("works on a pool that is paused, empty, or being validated", async () => {
    await expect(world({ startPaused: true }).pool.close()).resolves.toEqual({ revoked: 0 });
    const { pool, clock } = world({ validate: () => new Promise(() => {}), idleTimeoutMs: 1e9 });
    pool.release(await pool.acquire());
    await clock.advance(2_000);
    const asked = watched(pool.acquire());
    const closed = watched(pool.close({ deadlineMs: 2_500 }));
    await clock.advance(2_500);
    expect(asked.error?.code).toBe("FORMDB_POOL_CLOSED");
    expect(closed.done).toBe(true);
    expect(clock.pending).toBe(0);
  });

  it("is what a pool's own block ends with", async () => {
    const { pool } = world();
    {
      await using own = pool;
      own.release(await own.acquire());
    }
    expect(pool.state).toBe("closed");
  });
});

describe("an observer", () => {
  it("may fail without any harm to the pool", async () => {
    const { pool } = world({
      observer: {
        acquired: () => {
          throw new Error("observer");
        },
        connectionReady: () => {
          throw new Error("observer");
        },
      },
    });
    pool.release(await pool.acquire());
    expect(pool.stats()).toMatchObject({ total: 1, idle: 1 });
  });
});
