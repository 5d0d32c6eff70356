import { describe, expect, it } from "vitest";
import { Pool } from "../../src/pool/pool.ts";
import { pause, watched, world } from "./pool-world.ts";

describe("a pool", () => {
  it("gives connections ids from 1 and knows the id of what is lent or idle", async () => {
    const { pool, events } = world({ minConnections: 2 });
    const first = await pool.acquire();
    const second = await pool.acquire();
    expect([pool.connectionIdOf(first), pool.connectionIdOf(second)].sort()).toEqual([1, 2]);
    pool.release(first);
    expect(pool.connectionIdOf(first)).toBeDefined();
    expect(pool.connectionIdOf({ ...first })).toBeUndefined();
    expect(events.slice(0, 3)).toEqual(["poolCreated", "connectionCreated 1", "connectionCreated 2"]);
  });

  it("fills up to its minimum in the background, at most maxConnecting at a time", async () => {
    let opening = 0;
    let most = 0;
    const { pool, clock, things } = world({
      minConnections: 5,
      maxConnecting: 2,
      beforeCreate: async (_attempt, clock) => {
        most = Math.max(most, ++opening);
        await pause(clock, 10);
        opening--;
      },
    });
    expect(pool.stats()).toMatchObject({ total: 0, pending: 2, min: 5 });
    await clock.advance(30);
    expect(pool.stats()).toMatchObject({ total: 5, idle: 5, pending: 0 });
    expect(most).toBe(2);
    expect(things).toHaveLength(5);
  });

  it("never opens more than its maximum and serves who waits in order", async () => {
    const { pool, clock, things } = world({ maxConnections: 2 });
    const order: number[] = [];
    const waits = Array.from({ length: 20 }, async (_, i) => {
      const thing = await pool.acquire();
      order.push(i);
      await new Promise<void>((resolve) => clock.schedule(resolve, 10));
      pool.release(thing);
    });
    await clock.advance(200);
    await Promise.all(waits);
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(things).toHaveLength(2);
    expect(pool.stats()).toMatchObject({
      total: 2,
      idle: 2,
      inUse: 0,
      waiting: 0,
      peaks: { waiting: 20, inUse: 2 },
    });
  });

  it("lends the connection that was used last", async () => {
    const { pool } = world({ minConnections: 3 });
    const [a, b, c] = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
    pool.release(b);
    pool.release(a);
    pool.release(c);
    expect(await pool.acquire()).toBe(c);
    expect(await pool.acquire()).toBe(a);
  });

  it("prefers the idle connection that holds what the caller names", async () => {
    const { pool } = world({ minConnections: 3, holds: ({ id }, key) => key === `s${id}` });
    const all = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
    for (const thing of all) pool.release(thing);
    const preferred = await pool.acquire({ prefer: "s1" });
    expect(preferred.id).toBe(1);
    expect(pool.tryAcquire("s2")?.id).toBe(2);
    expect((await pool.acquire({ prefer: "s1" })).id).toBe(3);
  });

  it("gives a resource without a promise where one is idle, and else nothing", async () => {
    const { pool, events } = world({ maxConnections: 1, minConnections: 1 });
    expect(pool.tryAcquire()).toBeUndefined();
    const thing = await pool.acquire();
    expect(pool.tryAcquire()).toBeUndefined();
    pool.release(thing);
    events.length = 0;
    expect(pool.tryAcquire()).toBe(thing);
    expect(events).toEqual(["acquireStarted", "acquired 1 0"]);
  });

  it("serves higher priorities first, and equals in order", async () => {
    const { pool } = world({ maxConnections: 1 });
    const held = await pool.acquire();
    const served: string[] = [];
    const ask = async (name: string, priority?: number): Promise<void> => {
      const thing = await pool.acquire({ priority });
      served.push(name);
      pool.release(thing);
    };
    const all = [ask("a"), ask("low", -1), ask("high", 5), ask("b"), ask("high too", 5)];
    pool.release(held);
    await Promise.all(all);
    expect(served).toEqual(["high", "high too", "a", "b", "low"]);
  });

  it("refuses a release of what is not lent", async () => {
    const { pool } = world();
    const thing = await pool.acquire();
    pool.release(thing);
    expect(() => pool.release(thing)).toThrowError(/connection 1 was given back already and is idle$/);
    expect(() => pool.release({ ...thing })).toThrowError(/never came from this pool, or has left it$/);
    expect(pool.stats()).toMatchObject({ total: 1, idle: 1, totals: { released: 1 } });
  });

  it("gives back after use, whether the work succeeds or throws", async () => {
    const { pool, things } = world({ isFatal: (error) => (error as Error).message === "lost" });
    expect(await pool.use((thing) => thing.id)).toBe(1);
    await expect(pool.use(() => Promise.reject(new Error("mine")))).rejects.toThrow("mine");
    expect(pool.stats()).toMatchObject({ total: 1, idle: 1 });
    await expect(
      pool.use(() => {
        throw new Error("lost");
      }),
    ).rejects.toThrow("lost");
    expect(pool.stats()).toMatchObject({ total: 0, totals: { closed: { error: 1 } } });
    expect(things[0]?.destroyed).toBe(true);
  });

  it("takes a lease back at the end of its block, and only once", async () => {
    const { pool } = world();
    {
      await using lease = await pool.lease();
      expect(pool.stats().inUse).toBe(1);
      expect(lease.resource.id).toBe(1);
    }
    expect(pool.stats().inUse).toBe(0);
    const stale = await pool.lease();
    stale.release();
    const other = await pool.lease();
    expect(other.resource).toBe(stale.resource);
    expect(() => stale.release()).toThrowError(/must be lent/);
    expect(pool.stats().inUse).toBe(1);
    await stale[Symbol.asyncDispose]();
    expect(pool.stats().inUse).toBe(1);
  });

  it("never lends while somebody waits out of turn", async () => {
    const { pool, clock } = world({ maxConnections: 1 });
    const held = await pool.acquire();
    const first = watched(pool.acquire());
    pool.release(held);
    expect(pool.tryAcquire()).toBeUndefined();
    await clock.advance(0);
    expect(first.value).toBe(held);
  });

  it("resets what was given back before anyone else gets it, and evicts what it can't", async () => {
    const { pool, clock, things } = world({
      maxConnections: 1,
      reset: async ({ id }) => {
        await new Promise<void>((resolve) => clock.schedule(resolve, 5));
        if (id === 2) throw new Error("dirty");
        return id !== 3;
      },
    });
    for (const expected of [1, 1, 2, 3, 4]) {
      const asked = watched(pool.acquire());
      await clock.advance(10);
      expect(asked.value?.id).toBe(expected);
      if (expected === 1 && pool.stats().totals.acquired === 2) pool.evict(asked.value!);
      else pool.release(asked.value!);
      await clock.advance(10);
    }
    expect(things.filter(({ destroyed }) => destroyed)).toHaveLength(3);
    expect(pool.stats()).toMatchObject({ total: 1, idle: 1, checking: 0, totals: { closed: { error: 3 } } });
  });

  it("disposes of resources that know how, when no destroy is given", async () => {
    let disposed = 0;
    const pool = new Pool({
      create: () => ({
        async [Symbol.asyncDispose]() {
          disposed++;
        },
      }),
      minConnections: 0,
    });
    pool.release(await pool.acquire());
    await pool.close();
    expect(disposed).toBe(1);
  });
});

describe("options", () => {
  const create = (): object => ({});
  it.each([
    [{ create, maxConection: 3 }, /maxConection/],
    [{ create, maxConnections: 0 }, /maxConnections/],
    [
      { create, minConnections: 5, maxConnections: 3 },
      /minConnections must be at most maxConnections, which is 3, not 5/,
    ],
    [{ create, keepaliveMs: 100 }, /validate/],
    [{ create, acquireTimeoutMs: -1 }, /acquireTimeoutMs/],
    [{ create, hosts: ["a"] }, /has no option "hosts"/],
    [{ create, connectBackoffMs: 10, connectBackoffMaxMs: 5 }, /connectBackoffMs/],
    [{}, /create/],
  ])("are refused by name: %j", (options, message) => {
    expect(() => new Pool(options as never)).toThrowError(
      expect.objectContaining({ code: "FORMDB_CONFIG", message: expect.stringMatching(message) }),
    );
  });

  it("fit a default to the size that is given", async () => {
    await using small = new Pool({ create, maxConnections: 1 });
    await using large = new Pool({ create, minConnections: 20 });
    expect(small.stats()).toMatchObject({ min: 1, max: 1 });
    expect(large.stats()).toMatchObject({ min: 20, max: 20 });
  });

  it("of acquire are refused by name too", async () => {
    const { pool } = world();
    await expect(pool.acquire({ timeoutMs: -1 })).rejects.toMatchObject({ code: "FORMDB_CONFIG" });
    await expect(pool.acquire({ priority: 0.5 })).rejects.toMatchObject({ code: "FORMDB_CONFIG" });
    await expect(pool.acquire({ signal: "now" as never })).rejects.toMatchObject({ code: "FORMDB_CONFIG" });
    await expect(pool.acquire(null as never)).rejects.toMatchObject({ code: "FORMDB_CONFIG" });
    for (const call of [pool.acquire.bind(pool), pool.lease.bind(pool), pool.use.bind(pool, () => 1)]) {
      await expect(call({ timeout: 5 } as never)).rejects.toMatchObject({
        code: "FORMDB_CONFIG",
        option: "timeout",
        message: expect.stringContaining('did you mean "timeoutMs"'),
      });
    }
    expect(pool.stats()).toMatchObject({ inUse: 0, waiting: 0 });
  });
});
