import { describe, expect, it } from "vitest";
import { FormDBError } from "../../src/base/errors.ts";
import { pause, watched, world } from "./pool-world.ts";

const refuse = (): never => {
  throw new Error("connection refused");
};
const hang = (): Promise<void> => new Promise(() => {});

describe("a pool that can't connect", () => {
  it("tells who waits the last error after a few attempts, long before the timeout", async () => {
    const { pool, clock, events } = world({ beforeCreate: refuse, acquireTimeoutMs: 60_000 });
    const waits = [watched(pool.acquire()), watched(pool.acquire())];
    await clock.advance(149);
    expect(waits.map(({ done }) => done)).toEqual([false, false]);
    await clock.advance(1);
    for (const { error } of waits) {
      expect(error).toMatchObject({
        code: "FORMDB_CONNECT_FAILED",
        lastConnectError: "connection refused",
        cause: { message: "connection refused" },
      });
    }
    expect(events).toContain("connectionClosed 1 error");
    expect(pool.stats()).toMatchObject({
      total: 0,
      pending: 0,
      waiting: 0,
      totals: { failed: { connectError: 2 } },
    });
  });

  it("tells at once whoever can't wait for the next attempt", async () => {
    const { pool, clock } = world({ beforeCreate: refuse });
    const hasty = watched(pool.acquire({ timeoutMs: 30 }));
    await clock.advance(0);
    expect(hasty.error?.code).toBe("FORMDB_CONNECT_FAILED");
  });

  it("tells at once what no further attempt can change", async () => {
    const { pool, clock } = world({
      beforeCreate: () => {
        throw new FormDBError("FORMDB_CONNECT_FAILED", "wrong password", { retryable: false });
      },
    });
    const asked = watched(pool.acquire());
    await clock.advance(0);
    expect(asked.error?.message).toMatch(/wrong password/);
  });

  it("survives one failure without the caller noticing", async () => {
    const { pool, clock } = world({ beforeCreate: (attempt) => (attempt === 1 ? refuse() : undefined) });
    const asked = watched(pool.acquire());
    await clock.advance(50);
    expect(asked.value?.id).toBe(1);
    expect(pool.stats()).toMatchObject({ total: 1, totals: { connectFailures: 1, created: 2, ready: 1 } });
  });

  it("lets callers wait for connections that are in use, and says why there are no more", async () => {
    const { pool, clock } = world({ beforeCreate: (attempt) => (attempt > 1 ? refuse() : undefined) });
    await pool.acquire();
    const asked = watched(pool.acquire({ timeoutMs: 2_000 }));
    await clock.advance(1_999);
    expect(asked.done).toBe(false);
    await clock.advance(1);
    expect(asked.error).toMatchObject({
      code: "FORMDB_POOL_TIMEOUT",
      lastConnectError: "connection refused",
    });
  });

  it("tries more and more seldom, one at a time, and recovers by itself without a storm", async () => {
    let down = true;
    const attempts: number[] = [];
    const { pool, clock } = world({
      minConnections: 4,
      maxConnecting: 4,
      beforeCreate: async (_attempt, clock) => {
        attempts.push(clock.now());
        await pause(clock, 1);
        if (down) refuse();
      },
    });
    await clock.advance(60_000);
    expect(attempts.slice(0, 4)).toEqual([0, 0, 0, 0]);
    const gaps = attempts.slice(4).map((at, i) => at - attempts[i + 3]!);
    expect(gaps.slice(0, 4)).toEqual([51, 101, 201, 401]);
    expect(gaps.every((gap) => gap > 0 && gap <= 5_001)).toBe(true);
    down = false;
    const before = attempts.length;
    const asked = watched(pool.acquire({ timeoutMs: 10_000 }));
    await clock.advance(6_000);
    expect(asked.value).toBeDefined();
    expect(attempts.slice(before).filter((at) => at === attempts[before])).toHaveLength(1);
    expect(pool.stats()).toMatchObject({ total: 4, lastConnectError: "connection refused" });
  });

  it("gives an attempt up after its time and destroys what still arrives", async () => {
    const { pool, clock, things, signals } = world({
      connectTimeoutMs: 100,
      acquireTimeoutMs: 20_000,
      maxConnections: 1,
      beforeCreate: (attempt, clock) => (attempt === 1 ? pause(clock, 500) : undefined),
    });
    const asked = watched(pool.acquire());
    await clock.advance(100);
    expect(signals[0]?.aborted).toBe(true);
    await clock.advance(50);
    expect(asked.value?.id).toBe(1);
    await clock.advance(1_000);
    expect(things.map(({ destroyed }) => destroyed)).toEqual([false, true]);
    expect(pool.stats()).toMatchObject({ total: 1, inUse: 1 });
  });

  it("does not spin when create gives nothing, the same thing again, or a dead thing", async () => {
    const same = {};
    for (const create of [() => undefined, () => same] as const) {
      let calls = 0;
      const { pool, clock } = world({
        minConnections: 2,
        create: (() => {
          calls++;
          return create();
        }) as never,
        watch: undefined,
      });
      await clock.advance(10_000);
      expect(calls).toBeLessThan(15);
      expect(pool.stats().lastConnectError).toMatch(/create must give/);
    }
    const { clock, things } = world({ minConnections: 1, watch: (_, report) => report(new Error("dead")) });
    await clock.advance(10_000);
    expect(things.length).toBeLessThan(15);
    expect(things.every(({ destroyed }) => destroyed)).toBe(true);
    const dropped = world({
      minConnections: 1,
      watch: (_, report) => queueMicrotask(() => report(new Error("dropped"))),
    });
    await dropped.clock.advance(10_000);
    expect(dropped.things.length).toBeLessThan(15);
  });

  it("opens few connections for a short spike", async () => {
    const { pool, clock, things } = world({
      maxConnections: 50,
      acquireTimeoutMs: 5_000,
      beforeCreate: (_attempt, clock) => pause(clock, 150),
    });
    const all = Promise.all(Array.from({ length: 50 }, () => pool.use(() => pause(clock, 2))));
    await clock.advance(1_000);
    await all;
    expect(things.length).toBeLessThanOrEqual(5);
  });

  it("stops opening when nobody waits any more", async () => {
    const { pool, clock, things } = world({
      maxConnecting: 1,
      beforeCreate: (_attempt, clock) => pause(clock, 10),
    });
    const controller = new AbortController();
    const waits = Array.from({ length: 5 }, () => watched(pool.acquire({ signal: controller.signal })));
    await clock.advance(10);
    controller.abort();
    await clock.advance(100);
    expect(waits.filter(({ value }) => value !== undefined)).toHaveLength(1);
    expect(things).toHaveLength(2);
  });
});

describe("closing a pool that connects", () => {
  it("aborts what is being opened, and destroys what comes all the same", async () => {
    const { pool, clock, things, signals, events } = world({
      minConnections: 1,
      beforeCreate: (_attempt, clock) => pause(clock, 100),
    });
    const closed = watched(pool.close());
    expect(signals[0]?.aborted).toBe(true);
    await clock.advance(99);
    expect(closed.done).toBe(false);
    await clock.advance(1);
    expect(closed.value).toEqual({ revoked: 0 });
    expect(things[0]?.destroyed).toBe(true);
    expect(events.slice(-2)).toEqual(["poolClosed", "connectionClosed 1 poolClosed"]);
    expect(clock.pending).toBe(0);
  });

  it("does not wait for ever for what hangs", async () => {
    const { pool, clock } = world({ minConnections: 1, beforeCreate: hang });
    const closed = watched(pool.close({ deadlineMs: 50 }));
    await clock.advance(50);
    expect(closed.done).toBe(true);
    expect(clock.pending).toBe(0);
  });
});
