import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Pool } from "../../src/pg.ts";
import { type PostgresServer, startPostgres } from "../support/postgres-server.ts";

function poolOver(...servers: readonly PostgresServer[]): Pool {
  const hosts = servers.map(({ port }) => `127.0.0.1:${port}`).join(",");
  return new Pool({
    connectionString: `postgres://formdb@${hosts}/postgres?target_session_attrs=read-write`,
    max: 5,
  });
}

const write = (pool: Pool): Promise<unknown> => pool.query("INSERT INTO written VALUES ($1)", [1]);
const portOf = async (pool: Pool): Promise<unknown> =>
  (await pool.query("SELECT inet_server_port() AS port")).rows[0].port;

async function writesAgain(pool: Pool): Promise<void> {
  for (const end = Date.now() + 30_000; ; await sleep(20)) {
    try {
      await write(pool);
      return;
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}

describe("a Pool over a primary and its standby", () => {
  it("goes to the standby that was promoted after the primary died under load", async () => {
    await using primary = await startPostgres();
    await primary.query("CREATE TABLE written (n int)");
    await using standby = await startPostgres({ standbyOf: primary });
    await using pool = poolOver(standby, primary);
    await write(pool);
    expect(await portOf(pool)).toBe(primary.port);
    const underWay = Promise.allSettled(Array.from({ length: 20 }, () => pool.query("SELECT pg_sleep(0.5)")));
    await primary.kill();
    await underWay;
    await standby.promote();
    await writesAgain(pool);
    expect(await portOf(pool)).toBe(standby.port);
    expect(pool.totalCount).toBeLessThanOrEqual(5);
  });

  it("leaves a server that takes no writes any more at the first 25006", async () => {
    await using primary = await startPostgres();
    await primary.query("CREATE TABLE written (n int)");
    await using standby = await startPostgres({ standbyOf: primary });
    await using pool = poolOver(primary, standby);
    await Promise.all(Array.from({ length: 10 }, () => write(pool)));
    await standby.promote();
    await primary.query("ALTER SYSTEM SET default_transaction_read_only = on");
    await primary.query("SELECT pg_reload_conf()");
    const refused = async (): Promise<unknown> => {
      for (;;) {
        const error = await write(pool).then(
          () => undefined,
          (failure) => failure.code,
        );
        if (error !== undefined) return error;
        await sleep(5);
      }
    };
    expect(await refused()).toBe("25006");
    await write(pool);
    expect(await portOf(pool)).toBe(standby.port);
  });
});
