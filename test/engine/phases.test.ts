import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { OpenOptions } from "../../src/engine/engine-options.ts";
import type { FormDB } from "../../src/engine/form-db.ts";
import { open } from "../../src/engine/open.ts";
import { storeOf } from "../../src/metrics/metrics.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** Milliseconds by phase of all queries so far. */
function phases(db: FormDB): Record<string, number> {
  const family = storeOf(db.metrics).histogram("query_phase_duration_seconds");
  return Object.fromEntries(
    family.series.map(({ labelValues, sum }) => [labelValues[0], Math.round(sum * 1_000)]),
  );
}

async function opened(options: OpenOptions = {}): Promise<{ clock: ManualClock; db: FormDB }> {
  const clock = new ManualClock();
  const db = await open("sqlite::memory:", { clock, pool: { acquireTimeoutMs: 100 }, ...options });
  await db.createCollection("c");
  return { clock, db };
}

/** Lets everything run that does not wait for the clock, again and again while time passes. */
async function pass(clock: ManualClock, ms: number, steps = 1): Promise<void> {
  for (let i = 0; i < steps; i++) {
    await setImmediate();
    await clock.advance(ms / steps);
  }
}

function after(clock: ManualClock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(resolve, ms);
  });
}

describe("a query's time is split by what it was spent on", () => {
  it("where no connection was to be had: waiting for one", async () => {
    const { clock, db } = await opened();
    const connection = await db.pool.acquire();
    for (const call of [
      () => db.query("SELECT * FROM c"),
      () => db.get("c", "1"),
      () => db.transaction(async () => {}),
      async () => {
        for await (const _ of db.stream("SELECT * FROM c"));
      },
    ]) {
      const failed = expect(call()).rejects.toMatchObject({ code: "FORMDB_POOL_TIMEOUT" });
      await pass(clock, 100);
      await failed;
    }
    db.pool.release(connection);
    expect(phases(db)).toEqual({ pool_wait: 400, database: 0, decode: 0, other: 0 });
    await db.close();
  });

  it("where the caller's time was over before there was a connection: waiting for one", async () => {
    for (const reads of [true, false]) {
      const { clock, db } = await opened({ batch: { reads } });
      const connection = await db.pool.acquire();
      const options = { timeoutMs: 60 };
      for (const call of [
        () => db.query("SELECT * FROM c", [], options),
        () => db.get("c", "1", options),
        () => db.sql("SELECT 1", [], options),
      ]) {
        const failed = expect(call()).rejects.toThrow();
        await pass(clock, 60);
        await failed;
      }
      const got = db.get("c", "1", { timeoutMs: 90 });
      await pass(clock, 20);
      db.pool.release(connection);
      await got;
      expect(phases(db)).toEqual({ pool_wait: 200, database: 0, decode: 0, other: 0 });
      await db.close();
    }
  });

  it("where a statement fails: the database", async () => {
    const { clock, db } = await opened();
    const connection = await db.pool.acquire();
    const [execute, getMany] = [connection.execute, connection.getMany];
    connection.execute = connection.getMany = async () => {
      await after(clock, 70);
      throw new Error("disk I/O error");
    };
    db.pool.release(connection);
    // With a time under a second, so that it is no read at once.
    const options = { timeoutMs: 900 };
    for (const call of [() => db.query("SELECT * FROM c", [], options), () => db.get("c", "1", options)]) {
      const failed = expect(call()).rejects.toThrow("disk");
      await pass(clock, 70);
      await failed;
    }
    Object.assign(connection, { execute, getMany });
    expect(phases(db)).toEqual({ pool_wait: 0, database: 140, decode: 0, other: 0 });
    await db.close();
  });

  it("in a transaction: its statements, which wait for each other, and not what is done between them", async () => {
    const { clock, db } = await opened();
    const connection = await db.pool.acquire();
    const { getMany } = connection;
    connection.getMany = async () => {
      await after(clock, 30);
      return [];
    };
    db.pool.release(connection);
    const done = db.transaction(async (tx) => {
      await tx.get("c", "1");
      await after(clock, 500);
      await Promise.all([tx.get("c", "1"), tx.get("c", "2")]);
    });
    await pass(clock, 590, 59);
    await done;
    connection.getMany = getMany;
    // The transaction's 90 ms, and the 30 ms of each of the three queries in it.
    expect(phases(db)).toEqual({ pool_wait: 0, database: 90 + 90, decode: 0, other: 500 });
    await db.close();
  });

  it("of streams from memory and of queries without a statement: the database", async () => {
    const { clock, db } = await opened();
    const connection = await db.pool.acquire();
    const { stream, write } = connection;
    connection.write = async (group) => {
      await after(clock, 40);
      return write.call(connection, group);
    };
    connection.stream = async function* (...call) {
      await after(clock, 50);
      yield* stream.apply(connection, call);
    };
    db.pool.release(connection);
    const inserted = db.query('INSERT INTO c {"id": "1"}');
    await pass(clock, 40);
    await inserted;
    const read = (async () => {
      for await (const _ of db.stream("SELECT * FROM c")) await after(clock, 200);
    })();
    await pass(clock, 250, 25);
    await read;
    expect(phases(db)).toEqual({ pool_wait: 0, database: 90, decode: 0, other: 200 });
    Object.assign(connection, { stream, write });
    await db.close();
  });

  it("of a stream that keeps its connection: the database, and not what its caller does between rows", async () => {
    const { clock, db } = await opened();
    await db.insert("c", { id: "1" });
    const connection = await db.pool.acquire();
    const { stream } = connection;
    connection.stream = async function* (...call) {
      await after(clock, 50);
      yield* stream.apply(connection, call);
      await after(clock, 50);
    };
    Object.defineProperty(connection, "streamsBetweenCalls", { value: false });
    db.pool.release(connection);
    const read = (async () => {
      for await (const _ of db.stream("SELECT * FROM c")) await after(clock, 200);
    })();
    await pass(clock, 300, 30);
    await read;
    expect(phases(db)).toEqual({ pool_wait: 0, database: 100, decode: 0, other: 200 });
    await db.close();
  });
});
