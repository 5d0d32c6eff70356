import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { FormDBError } from "../../src/base/errors.ts";
import { Pool } from "../../src/pool/pool.ts";

// Two seconds in CI; FORMDB_SOAK_SECONDS=60 is the long run.
const SECONDS = Number(process.env.FORMDB_SOAK_SECONDS ?? 2);

interface Connection {
  destroyed: boolean;
  users: number;
  kill: () => void;
}

it("ends with the exact accounting after failures, hangs, kills and aborts", {
  timeout: (SECONDS + 30) * 1_000,
}, async () => {
  const alive = new Set<Connection>();
  let hanging = 0;
  const pool = new Pool<Connection>({
    create: async (signal) => {
      await later(Math.random() * 5);
      const chance = Math.random();
      if (chance < 0.1) throw new Error("refused");
      if (chance < 0.12) {
        hanging++;
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      }
      const connection: Connection = { destroyed: false, users: 0, kill: () => {} };
      alive.add(connection);
      return connection;
    },
    destroy: async (connection) => {
      expect(connection.destroyed).toBe(false);
      connection.destroyed = true;
      alive.delete(connection);
      if (Math.random() < 0.05) await new Promise(() => {});
      if (Math.random() < 0.05) throw new Error("already gone");
    },
    validate: async () => Math.random() > 0.05,
    watch: (connection, report) => {
      connection.kill = () => report(new Error("killed"));
    },
    minConnections: 2,
    maxConnections: 8,
    acquireTimeoutMs: 8,
    connectTimeoutMs: 30,
    connectBackoffMs: 1,
    connectBackoffMaxMs: 20,
    destroyTimeoutMs: 20,
    idleTimeoutMs: 20,
    maxLifetimeMs: 200,
    keepaliveMs: 10,
    validateAfterIdleMs: 2,
    maxUses: 50,
  });
  const codes: Record<string, number> = {};
  let asked = 0;
  let served = 0;
  const end = performance.now() + SECONDS * 1_000;
  const caller = async (): Promise<void> => {
    while (performance.now() < end) {
      asked++;
      const abort = new AbortController();
      if (Math.random() < 0.1) setTimeout(() => abort.abort(), Math.random() * 20);
      try {
        await pool.use(
          async (connection) => {
            expect(connection.users++).toBe(0);
            served++;
            if (Math.random() < 0.3) await later(Math.random() * 3);
            else await Promise.resolve();
            if (Math.random() < 0.02) connection.kill();
            connection.users--;
            if (Math.random() < 0.02) throw new Error("query failed");
          },
          { signal: abort.signal, priority: Math.random() < 0.1 ? 1 : 0 },
        );
      } catch (error) {
        const code = error instanceof FormDBError ? error.code : "query";
        codes[code] = (codes[code] ?? 0) + 1;
        if (code !== "query") await later(1);
      }
    }
  };
  const chaos = setInterval(() => {
    for (const connection of alive) if (Math.random() < 0.1) connection.kill();
    if (Math.random() < 0.02) pool.invalidate();
  }, 10);
  let early = 0;
  const heap = setTimeout(
    () => {
      early = heapUsed();
    },
    (SECONDS * 1_000) / 3,
  );
  await Promise.all(Array.from({ length: 40 }, caller));
  clearInterval(chaos);
  clearTimeout(heap);
  const late = heapUsed();

  const before = pool.stats();
  expect(before).toMatchObject({ inUse: before.checking, waiting: 0 });
  const { acquired, released, failed } = before.totals;
  const failures = Object.values(failed).reduce((sum, n) => sum + n, 0);
  expect(acquired).toBe(served);
  expect(released).toBe(served);
  expect(acquired + failures).toBe(asked);
  expect(served).toBeGreaterThan(100 * SECONDS);
  expect(failed.aborted).toBeGreaterThan(0);
  expect(hanging).toBeGreaterThan(0);

  await expect(pool.close({ deadlineMs: 5_000 })).resolves.toEqual({ revoked: 0 });
  const after = pool.stats();
  expect(after).toMatchObject({ total: 0, pending: 0, closing: 0 });
  const closed = Object.values(after.totals.closed).reduce((sum, n) => sum + n, 0);
  expect(after.totals.created).toBe(closed);
  expect(alive.size).toBe(0);
  if (early > 0 && SECONDS >= 30) expect(late - early).toBeLessThan(8 * 2 ** 20);
  console.log(
    `soak: ${SECONDS} s, ${asked} asked, ${served} served, ${after.totals.created} opened, ${hanging} hung, ` +
      `${JSON.stringify(codes)}, heap ${mib(early)} -> ${mib(late)} MiB`,
  );
});

function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** After a full collection, so that only what is held counts. */
function heapUsed(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed;
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
