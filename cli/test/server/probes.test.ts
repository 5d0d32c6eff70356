import { type FormDB, open } from "@formdb/perf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PrometheusServer, until } from "../../../test/dashboards/prometheus-server.ts";
import { hasTool } from "../../../test/dashboards/prometheus-tools.ts";
import { BlackHole } from "../../../test/support/black-hole.ts";
import { holdTransaction } from "../../../test/support/held-transaction.ts";
import { usePostgres } from "../../../test/support/hooks.ts";
import { type FormServer, serve } from "../../src/server.ts";

const MAX = 2;

describe("a server over PostgreSQL", () => {
  const postgres = usePostgres();
  let db: FormDB;
  let server: FormServer;

  beforeAll(async () => {
    db = await open(await postgres.createDatabase(), { pool: { minConnections: 0, maxConnections: MAX } });
    await db.insert("users", { id: "1" });
    server = await serve(db, { port: 0 });
  });
  afterAll(async () => {
    await server.close();
  });

  async function ask(path: string): Promise<{ readonly status: number; readonly text: string }> {
    const response = await fetch(server.url + path);
    return { status: response.status, text: await response.text() };
  }

  /** The value of a sample of `/metrics`. */
  async function sample(name: string): Promise<number> {
    const { status, text } = await ask("/metrics");
    expect(status).toBe(200);
    const line = text.split("\n").find((one) => one.startsWith(`${name} `));
    return Number(line?.split(" ")[1]);
  }

  it("is not ready while every connection is lent and callers wait; it lives, and its metrics say so", async () => {
    expect(await ask("/ready")).toMatchObject({ status: 200 });
    const held = await Promise.all(Array.from({ length: MAX }, () => db.pool.acquire()));
    const waiting = db.pool.acquire({ timeoutMs: Number.POSITIVE_INFINITY });
    const { status, text } = await ask("/ready");
    expect([status, JSON.parse(text).reason]).toEqual([503, "every connection is in use and callers wait"]);
    expect(await ask("/health")).toMatchObject({ status: 200 });
    expect(await sample('formdb_pool_connections{pool="main",state="in_use"}')).toBe(MAX);
    expect(await sample('formdb_pool_waiting{pool="main"}')).toBe(1);
    for (const connection of held) db.pool.release(connection);
    db.pool.release(await waiting);
    expect(await ask("/ready")).toMatchObject({ status: 200 });
  });

  it("a read by id, and each line of an upload, takes no longer than a call may", async () => {
    const own = await open(await postgres.createDatabase());
    await own.insert("users", { id: "1" });
    const impatient = await serve(own, { port: 0, limits: { callTimeoutMs: 100 } });
    const release = await holdTransaction(own, (tx) => tx.sql("LOCK TABLE users IN ACCESS EXCLUSIVE MODE"));
    for (const query of ["", "?version=true"]) {
      const { status } = await fetch(`${impatient.url}/v1/collections/users/documents/1${query}`);
      expect(status).toBe(504);
    }
    const upload = await fetch(`${impatient.url}/v1/collections/users/documents`, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson" },
      body: '{"id":"2"}\n{"id":"3"}\n',
    });
    expect(await upload.json()).toMatchObject({
      successful: 0,
      failed: 2,
      errors: [{ code: "FORMDB_TIMEOUT" }, { code: "FORMDB_TIMEOUT" }],
    });
    await release();
    await impatient.close();
  });

  it("is not ready while the database is stopped, answers all the same, and is ready again without a restart", async () => {
    await postgres.stop("immediate");
    const { status, text } = await ask("/ready");
    expect([status, JSON.parse(text).reason]).toEqual([503, "the database does not answer"]);
    expect(text).not.toMatch(/ECONN|127\.0\.0\.1|formdb@/);
    expect(await ask("/health")).toMatchObject({ status: 200 });
    const read = await ask("/v1/collections/users/documents/1");
    expect(read.status).toBe(503);
    expect(JSON.parse(read.text).error).toMatchObject({ retryable: true });
    expect(read.text).not.toMatch(/ECONN|127\.0\.0\.1/);
    expect((await ask("/metrics")).text).toMatch(
      /formdb_errors_by_code_total\{code="FORMDB_[A-Z_]+"\} [1-9]/,
    );
    await postgres.start();
    await expect.poll(async () => (await ask("/ready")).status, { timeout: 30_000 }).toBe(200);
    expect(await ask("/v1/collections/users/documents/1")).toMatchObject({ status: 200, text: '{"id":"1"}' });
  });

  it("lends nobody the connection that the database does not answer on", async () => {
    using hole = await BlackHole.before(postgres.port);
    const url = Object.assign(new URL(await postgres.createDatabase()), { port: String(hole.port) }).href;
    const behind = await open(url, { pool: { minConnections: 1, maxConnections: 1 } });
    const own = await serve(behind, { port: 0 });
    await behind.insert("users", { id: "1" });
    hole.swallow();
    expect((await fetch(`${own.url}/ready`)).status).toBe(503);
    expect(behind.pool.stats()).toMatchObject({ idle: 0, inUse: 1 });
    await own.close({ deadlineMs: 100 });
  });

  it.skipIf(!hasTool("prometheus", "scrapes of formdb serve by a real Prometheus"))(
    "is scraped by a real Prometheus, also while the pool is dry",
    async () => {
      const prometheus = await PrometheusServer.start(server.port, "groups: []");
      try {
        const held = await Promise.all(Array.from({ length: MAX }, () => db.pool.acquire()));
        const waiting = db.pool.acquire({ timeoutMs: Number.POSITIVE_INFINITY });
        await until("the dry pool is seen", async () => {
          const value = await prometheus.value('formdb_pool_waiting{pool="main"}');
          return value === 1 ? true : undefined;
        });
        expect(await prometheus.value('up{job="test"}')).toBe(1);
        for (const connection of held) db.pool.release(connection);
        db.pool.release(await waiting);
      } finally {
        await prometheus.stop();
      }
    },
  );
});
