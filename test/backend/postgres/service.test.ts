import { expect, test } from "vitest";
import { open } from "../../../src/engine/open.ts";
import { expectHonest, versions, WriteLedger } from "../../support/postgres-ledger.ts";
import { postgresVersions, ROLE, startPostgres } from "../../support/postgres-server.ts";

const CALLERS = 8;
const RESTARTS = Number(process.env.FORMDB_TEST_RESTARTS ?? 4);

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
    const ledger = new WriteLedger();
    const callers = Array.from({ length: CALLERS }, () => ledger.write(db, "kept"));
    await ledger.acknowledgedMore(200);

    await primary.kill();
    await standby.promote();
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
  const ledger = new WriteLedger();
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
  expect(await server.sessions("application_name = 'formdb'")).toBe(0);
});
