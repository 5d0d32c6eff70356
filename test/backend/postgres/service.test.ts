import { expect, test } from "vitest";
import { FormDBError } from "../../../src/base/errors.ts";
import { open } from "../../../src/engine/open.ts";
import { type PostgresServer, postgresVersions, ROLE, startPostgres } from "../../support/postgres-server.ts";

type Database = Awaited<ReturnType<typeof open>>;

const CALLERS = 8;
const RESTARTS = Number(process.env.FORMDB_TEST_RESTARTS ?? 4);

/** How each write ended, as its caller was told. */
class Ledger {
  readonly acknowledged = new Set<string>();
  readonly rejected = new Set<string>();
  readonly unknown = new Set<string>();
  #next = 0;
  #stopped = false;

  /** Writes one document after the other, and notes how each ended, until it is stopped. */
  async write(db: Database, collection: string): Promise<void> {
    while (!this.#stopped) {
      const id = `d${this.#next++}`;
      try {
        await db.insert(collection, { id, n: 1 });
        this.acknowledged.add(id);
      } catch (error) {
        expect(error).toBeInstanceOf(FormDBError);
        ((error as FormDBError).outcome === "unknown" ? this.unknown : this.rejected).add(id);
        // What fails at once must not be asked for without a pause.
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  /** Settles when so many more were acknowledged. */
  async acknowledgedMore(count: number): Promise<void> {
    const target = this.acknowledged.size + count;
    while (this.acknowledged.size < target) await new Promise((resolve) => setImmediate(resolve));
  }

  stop(): void {
    this.#stopped = true;
  }

  get total(): number {
    return this.#next;
  }
}

async function versions(server: PostgresServer, collection: string): Promise<Map<string, number>> {
  const rows = await server.query(`SELECT id, version::int FROM ${collection}`);
  return new Map(rows.map(({ id, version }) => [id as string, version as number]));
}

function expectHonest(ledger: Ledger, found: ReadonlyMap<string, number>): void {
  const { acknowledged, rejected, unknown } = ledger;
  expect([...acknowledged].filter((id) => !found.has(id))).toEqual([]);
  expect([...rejected].filter((id) => found.has(id))).toEqual([]);
  expect([...found.values()].every((version) => version === 1)).toBe(true);
  expect(acknowledged.size + rejected.size + unknown.size).toBe(ledger.total);
  expect([...found.keys()].every((id) => acknowledged.has(id) || unknown.has(id))).toBe(true);
}

test.each(postgresVersions())(
  "the service outlives a killed primary (%s), and loses nothing",
  async (version) => {
    await using primary = await startPostgres({ version });
    await (await open(primary.url)).close();
    await using standby = await startPostgres({ standbyOf: primary });
    await primary.query("ALTER SYSTEM SET synchronous_standby_names = '*'");
    await primary.query("ALTER SYSTEM SET synchronous_commit = 'remote_apply'");
    await primary.query("SELECT pg_reload_conf()");
    const url = `postgres://${ROLE}@127.0.0.1:${primary.port},127.0.0.1:${standby.port}/postgres`;
    const db = await open(url, { pool: { acquireTimeoutMs: 20_000 } });
    const ledger = new Ledger();
    const callers = Array.from({ length: CALLERS }, () => ledger.write(db, "kept"));
    await ledger.acknowledgedMore(200);

    await primary.kill();
    await standby.promote();
    const promotedAt = performance.now();
    await ledger.acknowledgedMore(1);
    expect(performance.now() - promotedAt).toBeLessThan(5_000);
    await ledger.acknowledgedMore(200);

    ledger.stop();
    await Promise.all(callers);
    await db.close();
    expectHonest(ledger, await versions(standby, "kept"));
  },
);

test.each(postgresVersions())("restarts (%s) are accounted for exactly", async (version) => {
  await using server = await startPostgres({ version });
  const db = await open(server.url, { pool: { acquireTimeoutMs: 20_000 } });
  const ledger = new Ledger();
  const callers = Array.from({ length: CALLERS }, () => ledger.write(db, "kept"));
  for (let i = 0; i < RESTARTS; i++) {
    await ledger.acknowledgedMore(30);
    await server.restart(i % 2 === 0 ? "immediate" : "fast");
  }
  await ledger.acknowledgedMore(30);
  ledger.stop();
  await Promise.all(callers);
  expectHonest(ledger, await versions(server, "kept"));
  const { total, inUse, waiting } = db.pool.stats();
  expect({ inUse, waiting }).toEqual({ inUse: 0, waiting: 0 });
  expect(total).toBeLessThanOrEqual(10);
  await db.close();
  const left = await server.query("SELECT FROM pg_stat_activity WHERE application_name = 'formdb'");
  expect(left).toHaveLength(0);
});
