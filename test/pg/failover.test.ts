import { describe, expect, it, vi } from "vitest";
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
    await vi.waitFor(() => write(pool), { timeout: 30_000, interval: 20 });
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
    const written = async (): Promise<never> => {
      for (;;) await write(pool);
    };
    await expect(written()).rejects.toMatchObject({ code: "25006" });
    await write(pool);
    expect(await portOf(pool)).toBe(standby.port);
  });
});
