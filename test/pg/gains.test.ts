import { tracingChannel } from "node:diagnostics_channel";
import { type EventEmitter, once } from "node:events";
import { type AddressInfo, connect, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createServer as createTlsServer } from "node:tls";
import pg from "pg";
import Cursor from "pg-cursor";
import QueryStream from "pg-query-stream";
import { describe, expect, it, vi } from "vitest";
import { Metrics } from "../../src/metrics.ts";
import { Pool } from "../../src/pg.ts";
import { BlackHole } from "../support/black-hole.ts";
import { failure } from "../support/failure.ts";
import { usePostgres } from "../support/hooks.ts";
import { findPgBouncer, PgBouncer } from "../support/postgres-bouncer.ts";
import { selfSignedCertificate } from "../support/postgres-certificate.ts";
import { freePort, startPostgres } from "../support/postgres-server.ts";
import { noteTraces } from "../support/traces.ts";

const server = usePostgres();

function newPool(options: ConstructorParameters<typeof Pool>[0] = {}): Pool {
  return new Pool({ connectionString: server.url, ...options });
}

const sessionsOf = (name: string): Promise<number> => server.sessions(`application_name = '${name}'`);

const until = (holds: () => boolean | Promise<boolean>): Promise<boolean> =>
  vi.waitUntil(holds, { timeout: 20_000, interval: 10 });

async function prepared(pool: Pool): Promise<unknown[]> {
  const { rows } = await pool.query("SELECT statement FROM pg_prepared_statements ORDER BY 1");
  return rows.map((row) => row.statement);
}

/** A signal ends a query of the pool's only client on the server, and the connection serves the next one. */
async function expectEndedBySignal(pool: Pool): Promise<void> {
  const { pid } = (await pool.query("SELECT pg_backend_pid() AS pid")).rows[0];
  const abort = new AbortController();
  const asked = failure(pool.query({ text: "SELECT pg_sleep(61)", signal: abort.signal }));
  await until(
    async () => (await server.sessions("query = 'SELECT pg_sleep(61)' AND state = 'active'")) === 1,
  );
  abort.abort();
  expect(await asked).toMatchObject({ code: "FORMDB_ABORTED" });
  expect((await pool.query("SELECT pg_backend_pid() AS pid")).rows).toEqual([{ pid }]);
}

describe("what users of pg.Pool complain of", () => {
  it("connecting that times out leaves no connection behind and hangs nobody", async () => {
    using hole = await BlackHole.before(server.port);
    hole.swallow();
    await using pool = new Pool({
      host: "127.0.0.1",
      port: hole.port,
      user: "formdb",
      connectionTimeoutMillis: 50,
    });
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => pool.connect()));
    expect(outcomes.filter(({ status }) => status === "rejected")).toHaveLength(20);
    await until(() => pool.totalCount === 0);
  });

  it("a time-out says who holds what", async () => {
    await using pool = newPool({ max: 1, trackHolders: true });
    const client = await pool.connect();
    const error = await pool.connect({ timeoutMs: 30 }).catch((failure) => failure);
    expect(error).toMatchObject({ code: "FORMDB_POOL_TIMEOUT", inUse: 1 });
    expect(error.message).toMatch(/^timeout exceeded when trying to connect: .*1 in use.*held the longest/s);
    expect(error.message).toContain("gains.test.ts");
    client.release();
  });

  it("an idle connection that dies ends nothing and is lent to nobody", async () => {
    await using pool = newPool({ max: 3, application_name: "idle" });
    const clients = await Promise.all([pool.connect(), pool.connect(), pool.connect()]);
    for (const client of clients) client.release();
    expect(pool.idleCount).toBe(3);
    expect(await server.terminate("application_name = 'idle'")).toBe(3);
    await until(() => pool.totalCount === 0);
    expect((await pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
  });

  it("statements are prepared though the first connection was lost as it was made", async () => {
    let losses = 0;
    class Lost extends pg.Client {
      // biome-ignore lint/suspicious/noExplicitAny: one of many overloads
      override query(...args: any[]): any {
        const isProbe = String(args[0]).includes("pg_backend_pid");
        if (!isProbe || losses++ > 0) return super.query(...(args as [string]));
        return Promise.reject(Object.assign(new Error("going away"), { code: "57P01", severity: "FATAL" }));
      }
    }
    await using pool = newPool({ max: 1, Client: Lost });
    await expect(pool.query("SELECT 1")).rejects.toThrow("going away");
    for (let n = 0; n < 3; n++) await pool.query("SELECT $1::int AS kept", [n]);
    expect(await prepared(pool)).toContain("SELECT $1::int AS kept");
  });

  it("min is filled without being asked, and kept filled", async () => {
    const pool = newPool({ min: 3, application_name: "kept" });
    await until(() => pool.idleCount === 3);
    expect(await server.terminate("application_name = 'kept'")).toBe(3);
    await until(async () => pool.idleCount === 3 && (await sessionsOf("kept")) === 3);
    await pool.end();
    await until(async () => (await sessionsOf("kept")) === 0);
  });

  it("no more than maxConnecting log in at a time", async () => {
    let now = 0;
    let most = 0;
    await using pool = newPool({
      max: 10,
      maxConnecting: 3,
      onConnect: async () => {
        most = Math.max(most, ++now);
        // Until as many as may have come, however slow the machine is; a fourth would show.
        await until(() => most >= 3);
        await sleep(5);
        now--;
      },
    });
    await Promise.all(Array.from({ length: 40 }, () => pool.query("SELECT pg_sleep(0.02)")));
    expect([most, pool.totalCount <= 10]).toEqual([3, true]);
  });

  it("of several hosts the fitting one is taken, and a dead one is passed over", async () => {
    const dead = await freePort();
    await using pool = new Pool({
      connectionString: `postgres://formdb@127.0.0.1:${dead},127.0.0.1:${server.port}/postgres?target_session_attrs=read-write`,
    });
    expect((await pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
    await using byHost = new Pool({
      host: "127.0.0.1,127.0.0.1",
      port: server.port,
      user: "formdb",
      database: "postgres",
      targetSessionAttrs: "standby",
    });
    await expect(byHost.connect()).rejects.toThrow(/host that is standby.*it is a primary/);
  });

  it("of several hosts one that does not answer leaves the others time", async () => {
    using hole = await BlackHole.before(server.port);
    hole.swallow();
    await using pool = new Pool({
      connectionString: `postgres://formdb@127.0.0.1:${hole.port},127.0.0.1:${server.port}/postgres`,
      connectionTimeoutMillis: 2_000,
    });
    expect((await pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
  });

  it("which host fits is asked of that which the environment names too, and misspelled wishes are refused", async () => {
    vi.stubEnv("PGHOST", "127.0.0.1");
    const place = { port: server.port, user: "formdb", database: "postgres" };
    await using primary = new Pool({ ...place, targetSessionAttrs: "primary" });
    expect((await primary.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
    await using standby = new Pool({ ...place, targetSessionAttrs: "standby" });
    await expect(standby.connect()).rejects.toThrow(/host that is standby.*it is a primary/);
    vi.unstubAllEnvs();
    const connectionString = `${server.url}?target_session_attrs=readwrite`;
    expect(() => new Pool({ connectionString })).toThrow(
      expect.objectContaining({ code: "FORMDB_CONFIG", message: expect.stringContaining("read-write") }),
    );
  });

  it("a server that does not say whether it is a standby is left no connection", async () => {
    class Silent extends pg.Client {
      // biome-ignore lint/suspicious/noExplicitAny: one of many overloads
      override query(...args: any[]): any {
        if (!String(args[0]).includes("pg_is_in_recovery")) return super.query(...(args as [string]));
        return Promise.reject(new Error("permission denied"));
      }
    }
    const pool = newPool({ targetSessionAttrs: "primary", application_name: "silent", Client: Silent });
    for (let n = 0; n < 3; n++) await expect(pool.query("SELECT 1")).rejects.toThrow("permission denied");
    expect(pool.totalCount).toBe(0);
    await pool.end();
    await until(async () => (await sessionsOf("silent")) === 0);
  });

  it("an AbortSignal ends a wait, and a query on the server", async () => {
    await using pool = newPool({ max: 1 });
    const client = await pool.connect();
    const wait = new AbortController();
    const waiting = pool.connect({ signal: wait.signal });
    wait.abort();
    await expect(waiting).rejects.toMatchObject({ code: "FORMDB_ABORTED" });
    client.release();
    const { signal } = new AbortController();
    expect((await pool.query({ text: "SELECT 1 AS n", signal })).rows).toEqual([{ n: 1 }]);
    const work = pool.query({ text: "SELECT pg_sleep(30)", signal: AbortSignal.timeout(50) });
    await expect(work).rejects.toMatchObject({ code: "FORMDB_ABORTED" });
    expect((await pool.query("SELECT 2 AS n")).rows).toEqual([{ n: 2 }]);
  });

  it("an AbortSignal ends a query on a server that is reached by a stream of the user's own", async () => {
    let streams = 0;
    const stream = (): Socket => {
      streams++;
      const socket = new Socket();
      const dial = socket.connect.bind(socket) as (port: number, host: string) => Socket;
      return Object.assign(socket, { connect: () => dial(server.port, "127.0.0.1") });
    };
    const place = { host: "tunnel.invalid", user: "formdb", database: "postgres" };
    await using pool = new Pool({ ...place, stream, max: 1 } as object);
    await expectEndedBySignal(pool);
    expect(streams).toBe(2);
  });

  it("an AbortSignal ends a query behind a proxy to which TLS is all that may be spoken", async () => {
    const proxy = createTlsServer({ ...selfSignedCertificate(), ALPNProtocols: ["postgresql"] }, (socket) => {
      const upstream = connect(server.port, "127.0.0.1");
      socket.on("error", () => {}).on("close", () => upstream.destroy());
      upstream.on("error", () => {}).on("close", () => socket.destroy());
      socket.pipe(upstream).pipe(socket);
    }).listen(0, "127.0.0.1");
    await once(proxy, "listening");
    await using pool = new Pool({
      host: "127.0.0.1",
      port: (proxy.address() as AddressInfo).port,
      user: "formdb",
      database: "postgres",
      ssl: { rejectUnauthorized: false },
      sslnegotiation: "direct",
      max: 1,
    });
    await expectEndedBySignal(pool);
    proxy.close();
  });

  it("an AbortSignal ends a query by callback too", async () => {
    await using pool = newPool({ max: 1 });
    const client = await pool.connect();
    const query = (text: string, signal: AbortSignal): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const config = { text, values: [1], signal } as pg.QueryConfig;
        client.query(config, (error, result) => (error ? reject(error) : resolve(result.rows)));
      });
    expect(await query("SELECT $1::int AS n", AbortSignal.timeout(10_000))).toEqual([{ n: 1 }]);
    const ended = await failure(query("SELECT pg_sleep(30), $1::int", AbortSignal.timeout(50)));
    expect(ended).toMatchObject({ code: "FORMDB_ABORTED" });
    client.release();
  });

  it("an AbortSignal ends a query of a server that has fallen silent, and its connection", async () => {
    using hole = await BlackHole.before(server.port);
    const place = { host: "127.0.0.1", port: hole.port, user: "formdb", database: "postgres" };
    await using pool = new Pool({ ...place, max: 1 });
    await pool.query("SELECT 1");
    hole.swallow();
    const work = pool.query({ text: "SELECT 2", signal: AbortSignal.timeout(50) });
    await expect(work).rejects.toMatchObject({ code: "FORMDB_ABORTED", outcome: "unknown" });
    expect(pool.totalCount).toBe(0);
  });

  it("an AbortSignal of a query that waits for another on its client ends that one alone", async () => {
    await using pool = newPool({ max: 1 });
    const client = await pool.connect();
    const before = client.query("SELECT pg_sleep(0.2), 1 AS n");
    const abort = new AbortController();
    const waiting = client.query({ text: "SELECT 2 AS n", signal: abort.signal } as pg.QueryConfig);
    const behind = client.query("SELECT 3 AS n");
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: "FORMDB_ABORTED" });
    expect((await before).rows).toMatchObject([{ n: 1 }]);
    expect((await behind).rows).toEqual([{ n: 3 }]);
    client.release();
  });

  it("an AbortSignal ends the wait for a query that was sent behind another one", async () => {
    await using pool = newPool({ max: 1, pipeline: true } as object);
    await using client = await pool.connect();
    const before = client.query("SELECT pg_sleep(0.3), 1 AS n");
    const abort = new AbortController();
    const sent = client.query({ text: "SELECT pg_sleep(0.3)", signal: abort.signal } as pg.QueryConfig);
    abort.abort();
    const first = await Promise.race([before, failure(sent)]);
    expect(first).toMatchObject({ code: "FORMDB_ABORTED", outcome: "unknown" });
    expect((await before).rows).toMatchObject([{ n: 1 }]);
    expect((await client.query("SELECT 2 AS n")).rows).toEqual([{ n: 2 }]);
  });

  it("the queue of those who wait has an end", async () => {
    await using pool = newPool({ max: 1, maxWaiting: 2 });
    const client = await pool.connect();
    const waiting = [pool.query("SELECT 1"), pool.query("SELECT 1")];
    await expect(pool.query("SELECT 1")).rejects.toMatchObject({ code: "FORMDB_POOL_QUEUE_FULL" });
    client.release();
    expect(await Promise.all(waiting)).toHaveLength(2);
  });

  it("a listener that throws costs no connection", async () => {
    await using pool = newPool({ max: 1 });
    const fail = (): never => {
      throw new Error("the listener's");
    };
    pool.once("acquire", fail);
    await expect(pool.query("SELECT 1 AS n")).rejects.toThrow("the listener's");
    pool.once("acquire", fail);
    await expect(pool.connect()).rejects.toThrow("the listener's");
    const client = await pool.connect();
    pool.once("release", fail);
    expect(() => client.release()).toThrow("the listener's");
    expect((await pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
  });

  it("a client can be had for a block", async () => {
    await using pool = newPool({ max: 1 });
    {
      await using client = await pool.connect();
      expect((await client.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
      expect(pool.idleCount).toBe(0);
    }
    expect(pool.idleCount).toBe(1);
    const client = await pool.connect();
    client.release();
    await client[Symbol.asyncDispose]();
    expect(pool.idleCount).toBe(1);
  });

  it("a cursor that can't be sent costs no connection", async () => {
    await using pool = newPool({ max: 1 });
    const unsendable = Object.assign(new Cursor("SELECT 1"), {
      submit: () => {
        throw new Error("not to be sent");
      },
    });
    await expect(pool.query(unsendable as unknown as pg.Submittable)).rejects.toThrow("not to be sent");
    expect((await pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
  });

  it("a stream that was destroyed before a client was free keeps none", async () => {
    await using pool = newPool({ max: 1, endTimeoutMillis: 100 });
    const client = await pool.connect();
    const stream = new QueryStream("SELECT 1");
    const ended = pool.query(stream);
    stream.destroy();
    client.release();
    await ended;
    expect((await pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
    expect(pool.totalCount).toBe(1);
  });

  it("a cursor that was closed before a client was free keeps none", async () => {
    await using pool = newPool({ max: 1, endTimeoutMillis: 100 });
    const client = await pool.connect();
    const cursor = new Cursor("SELECT generate_series(1, 10)");
    const ended = pool.query(cursor);
    const read = cursor.read(5);
    await cursor.close();
    client.release();
    await ended;
    await expect(read).rejects.toThrow("the cursor was closed before it was sent");
    expect((await pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
    expect(pool.totalCount).toBe(1);
  });

  it("diagnostics_channel tells of waits and queries", async () => {
    await using pool = newPool();
    const seen: [string, object][] = [];
    const subscribers = noteTraces(seen);
    const channels = ["formdb:pool.acquire", "formdb:query"].map((name) => tracingChannel(name));
    for (const channel of channels) channel.subscribe(subscribers);
    await pool.query("SELECT $1::int AS n", [1]);
    for (const channel of channels) channel.unsubscribe(subscribers);
    const query = { shape: "SELECT $1::int AS n", system: "postgres" };
    for (const trace of [{ pool: "pg" }, query])
      expect(seen).toContainEqual(["asyncEnd", expect.objectContaining(trace)]);
  });

  it("diagnostics_channel tells of the application's queries alone, and of no literal in them", async () => {
    const seen: [string, object][] = [];
    const subscribers = noteTraces(seen);
    const channel = tracingChannel("formdb:query");
    channel.subscribe(subscribers);
    await using pool = newPool({ max: 1, targetSessionAttrs: "any" });
    await pool.query("SELECT 'a secret' AS s /* another */ WHERE $1 = 4711", [1]);
    await sleep(1_100);
    await pool.query({ text: "SELECT 'a secret' AS again" });
    channel.unsubscribe(subscribers);
    const shapes = seen.flatMap(([event, trace]) =>
      event === "start" ? [(trace as { shape: string }).shape] : [],
    );
    expect(shapes).toEqual(["SELECT ? AS s WHERE $1 = ?", "SELECT ? AS again"]);
  });
});

describe("what the pool does beyond that", () => {
  it("closes a client that was released inside a transaction", async () => {
    await using pool = newPool({ max: 1 });
    const client = await pool.connect();
    await client.query("BEGIN");
    client.release();
    expect(pool.totalCount).toBe(0);
  });

  it("closes a client whose one text has begun a transaction and failed in it", async () => {
    await using pool = newPool({ max: 1 });
    await expect(pool.query("BEGIN; SELEC")).rejects.toMatchObject({ code: "42601" });
    await expect(pool.query("BEGIN; SELECT 1 / 0")).rejects.toMatchObject({ code: "22012" });
    expect((await pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
    const client = await pool.connect();
    await expect(client.query("BEGIN; SELECT 1 / 0")).rejects.toMatchObject({ code: "22012" });
    client.release();
    expect((await pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
  });

  it("closes a client that was released with a cursor that has not ended, and no other", async () => {
    await using pool = newPool({ max: 1, connectionTimeoutMillis: 5_000 });
    const pid = async (): Promise<unknown> =>
      (await pool.query("SELECT pg_backend_pid() AS pid")).rows[0].pid;
    const first = await pid();
    const ending = await pool.connect();
    const closed = ending.query(new Cursor("SELECT generate_series(1, 10)"));
    await closed.read(1);
    void closed.close();
    void ending.query("SELECT 1");
    ending.release();
    expect(await pid()).toBe(first);
    const broken = await pool.connect();
    for await (const _ of broken.query(
      new QueryStream("SELECT generate_series(1, 10)", [], { batchSize: 2 }),
    ))
      break;
    broken.release();
    expect(await pid()).toBe(first);
    const held = await pool.connect();
    await held.query(new Cursor("SELECT generate_series(1, 10)")).read(1);
    held.release();
    expect(await pid()).not.toBe(first);
  });

  it("keeps the connection of a query that failed", async () => {
    await using pool = newPool({ max: 1 });
    const pid = async (): Promise<unknown> =>
      (await pool.query("SELECT pg_backend_pid() AS pid")).rows[0].pid;
    const before = await pid();
    await expect(pool.query("SELECT nothing")).rejects.toMatchObject({ code: "42703" });
    expect(await pid()).toBe(before);
  });

  it("exports its metrics by one option", async () => {
    const metrics = new Metrics();
    await using pool = newPool({ metrics, poolName: "orders" });
    await pool.query("SELECT 1");
    const text = metrics.exportPrometheus();
    expect(text).toMatch(/pool_connections\{pool="orders",state="idle"\} 1\n/);
    expect(text).toMatch(/pool_wait_seconds_count\{pool="orders"\} 1\n/);
  });
});

describe("statements that are prepared by themselves", () => {
  it("are those with values whose text comes again", async () => {
    await using pool = newPool({ max: 1 });
    await pool.query("SELECT $1::int AS once", [1]);
    for (const n of [1, 2, 3]) await pool.query({ text: "SELECT $1::int AS often", values: [n] });
    for (let i = 0; i < 3; i++) await pool.query("SELECT 1");
    expect(await prepared(pool)).toEqual(["SELECT $1::int AS often"]);
  });

  it("are prepared on clients that are out too, and stay within the limit", async () => {
    await using pool = newPool({ max: 1, maxPrepared: 2 });
    const client = await pool.connect();
    for (let round = 0; round < 3; round++) {
      for (const name of ["a", "b", "c"]) {
        expect((await client.query(`SELECT $1::int AS ${name}`, [round])).rows).toEqual([{ [name]: round }]);
      }
    }
    client.release();
    expect(await prepared(pool)).toEqual(["SELECT $1::int AS b", "SELECT $1::int AS c"]);
  });

  it.each([
    ["beyond the limit", { maxPrepared: 1 }, "SELECT 1"],
    ["after a table was altered", {}, "ALTER TABLE pipelined ADD b int; ALTER TABLE pipelined DROP b"],
  ])("are known by a client that pipelines, %s", async (_, options, between) => {
    await using pool = newPool({ max: 1, pipeline: true, ...options } as object);
    await pool.query("CREATE TABLE IF NOT EXISTS pipelined (a int)");
    await using client = await pool.connect();
    const texts = ["SELECT $1::int AS a", "SELECT $1::int AS b", "SELECT a FROM pipelined WHERE a < $1"];
    await client.query("BEGIN");
    for (let round = 0; round < 4; round++) {
      const underWay = texts.flatMap((text) => [
        client.query(text, [0]),
        client.query(text, [0]),
        client.query(between),
      ]);
      const outcomes = await Promise.allSettled(underWay);
      expect(outcomes.filter(({ status }) => status === "rejected")).toEqual([]);
    }
    await client.query("COMMIT");
  });

  it.each(["now", " Now ", "today", "tomorrow 12:00", "yesterday", "{now}"])(
    "are none whose literal %j is the time at which it was parsed",
    async (literal) => {
      await using pool = newPool({ max: 1 });
      const text = `SELECT '${literal}' AS literal WHERE $1 > 0`;
      const unlike = "SELECT 'a' AS text WHERE now() > $1";
      for (let n = 0; n < 3; n++) await pool.query(text, [1]);
      for (let n = 0; n < 2; n++) await pool.query(unlike, [new Date()]);
      expect(await prepared(pool)).toEqual([unlike]);
    },
  );

  it.each([
    [
      "SET TimeZone = 'America/New_York'",
      "SELECT '2020-01-01 00:00'::timestamptz = $1 AS n",
      "2020-01-01 00:00Z",
    ],
    [
      "SELECT set_config('datestyle', 'SQL, DMY', true)",
      "SELECT '01/02/2020'::date - $1::date AS n",
      "2020-01-01",
    ],
    [
      "SET LOCAL IntervalStyle = sql_standard",
      "SELECT extract(epoch FROM interval '-1 2:03:04') AS n, $1",
      "x",
    ],
    ["SET standard_conforming_strings = off", "SELECT 'a\\nb' = $1 AS n", "a\\nb"],
    ["SET LOCAL search_path = tenant_b", "SELECT * FROM own WHERE id::text = $1", "1"],
    ["SET LOCAL search_path = tenant_b", "SELECT n FROM own WHERE id = $1", 1],
  ])("read literals and names as the settings of the moment are: %s", async (setting, text, value) => {
    const answers = async (prepare: boolean): Promise<unknown[]> => {
      await using pool = newPool({ max: 1, prepare });
      await pool.query(`CREATE SCHEMA IF NOT EXISTS tenant_a; CREATE SCHEMA IF NOT EXISTS tenant_b;
        CREATE TABLE IF NOT EXISTS tenant_a.own AS SELECT 1 AS id, 'a' AS n;
        CREATE TABLE IF NOT EXISTS tenant_b.own AS SELECT '1' AS id, 'b' AS n, 2 AS more`);
      const rows: unknown[] = [];
      const ask = async (): Promise<void> => void rows.push((await pool.query(text, [value])).rows);
      await pool.query("SET search_path = tenant_a");
      for (let n = 0; n < 3; n++) await ask();
      await using client = await pool.connect();
      for (const end of ["COMMIT", "ROLLBACK"]) {
        await client.query("BEGIN");
        await client.query(setting);
        for (let n = 0; n < 2; n++) rows.push((await client.query(text, [value])).rows);
        await client.query(end);
        rows.push((await client.query(text, [value])).rows);
      }
      expect((await client.query("SELECT FROM pg_prepared_statements WHERE length(name) > 63")).rows).toEqual(
        [],
      );
      return rows;
    };
    const unprepared = await answers(false);
    expect(unprepared[0]).not.toEqual(unprepared[3]);
    expect(await answers(true)).toEqual(unprepared);
  });

  it("may have a text that is a getter, as in template libraries", async () => {
    class Template {
      readonly values: readonly unknown[];
      constructor(values: readonly unknown[]) {
        this.values = values;
      }
      get text(): string {
        return "SELECT $1::int AS n";
      }
    }
    await using pool = newPool({ max: 1 });
    for (const n of [1, 2, 3]) {
      expect((await pool.query(new Template([n]) as unknown as pg.QueryConfig)).rows).toEqual([{ n }]);
    }
    expect(await prepared(pool)).toEqual(["SELECT $1::int AS n"]);
  });

  it("are not prepared with prepare: false", async () => {
    await using pool = newPool({ max: 1, prepare: false });
    for (const n of [1, 2, 3]) await pool.query("SELECT $1::int AS n", [n]);
    expect(await prepared(pool)).toEqual([]);
  });

  it("are sent again if the result has other columns now, by promise and by callback", async () => {
    await using pool = newPool({ max: 1 });
    await pool.query("CREATE TABLE stale (a int)");
    await pool.query("INSERT INTO stale VALUES (1)");
    const ask = () => pool.query("SELECT * FROM stale WHERE a = $1", [1]);
    for (let i = 0; i < 2; i++) expect((await ask()).rows).toEqual([{ a: 1 }]);
    await pool.query("ALTER TABLE stale ADD b int DEFAULT 2");
    for (let i = 0; i < 3; i++) expect((await ask()).rows).toEqual([{ a: 1, b: 2 }]);
    await pool.query("ALTER TABLE stale ADD c int DEFAULT 3");
    const rows = await new Promise((resolve) => {
      pool.query("SELECT * FROM stale WHERE a = $1", [1], (_error, result) => resolve(result.rows));
    });
    expect(rows).toEqual([{ a: 1, b: 2, c: 3 }]);
  });

  it("take their values by a column's new type, on every connection", async () => {
    await using pool = newPool({ max: 2 });
    const insert = "INSERT INTO moments VALUES ($1)";
    const clients = await Promise.all([pool.connect(), pool.connect()]);
    const insertByEach = async (): Promise<void> => {
      for (const client of clients) await client.query(insert, ["2022-01-01 12:00:00-02"]);
    };
    const [first] = clients;
    await first!.query("CREATE TABLE moments (at timestamp)");
    for (let i = 0; i < 3; i++) await insertByEach();
    await first!.query("BEGIN; DROP TABLE moments");
    await first!.query("/* anew */ CREATE TABLE moments (at timestamptz)");
    await first!.query("COMMIT");
    await insertByEach();
    for (const client of clients) client.release();
    const { rows } = await pool.query("SELECT DISTINCT (at AT TIME ZONE 'UTC')::text AS at FROM moments");
    expect(rows).toEqual([{ at: "2022-01-01 14:00:00" }]);
  });

  it.each([
    "/* all */ DEALLOCATE ALL",
    "RESET ALL; DEALLOCATE ALL",
    "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$",
  ])("are known in a transaction after %s", async (end) => {
    await using pool = newPool({ max: 1 });
    await using client = await pool.connect();
    for (let n = 0; n < 3; n++) await client.query("SELECT $1::int AS n", [n]);
    await client.query(end);
    await client.query("BEGIN");
    expect((await client.query("SELECT $1::int AS n", [4])).rows).toEqual([{ n: 4 }]);
    await client.query("COMMIT");
  });

  it.each([
    ["-- mine\nCREATE TEMP TABLE hidden AS SELECT 2 AS n", []],
    ["SELECT 1; CREATE TEMPORARY TABLE hidden AS SELECT 2 AS n", []],
    ["SELECT 2 AS n INTO TEMP hidden", []],
    ["CREATE TEMP TABLE hidden AS SELECT $1::int AS n", [2]],
  ])("read a temporary table that has come before another one: %s", async (text, values) => {
    await using pool = newPool({ max: 1 });
    await pool.query("CREATE TABLE IF NOT EXISTS hidden AS SELECT 1 AS n");
    await using client = await pool.connect();
    await client.query("CREATE TEMP TABLE first (n int)");
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 3; n++) {
        expect((await client.query("SELECT n FROM hidden WHERE n > $1", [0])).rows).toEqual([{ n: 1 }]);
      }
      await client.query(text, values);
      expect((await client.query("SELECT n FROM hidden WHERE n > $1", [0])).rows).toEqual([{ n: 2 }]);
      await client.query("DROP TABLE pg_temp.hidden");
    }
  });

  it("survive DISCARD ALL and DEALLOCATE", async () => {
    await using pool = newPool({ max: 1 });
    for (const end of ["DISCARD ALL", "DEALLOCATE ALL", "DISCARD ALL"]) {
      for (const n of [1, 2, 3]) expect((await pool.query("SELECT $1::int AS n", [n])).rows).toEqual([{ n }]);
      await pool.query(end);
    }
  });

  const bouncer = findPgBouncer();
  it.runIf(bouncer !== undefined)("are not prepared behind a transaction pooler", async () => {
    await using pooler = await PgBouncer.start(bouncer!, server, 2);
    await using pool = new Pool({ connectionString: pooler.urlOf("postgres"), max: 4 });
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, n) => pool.query("SELECT $1::int AS n", [n])),
    );
    expect(answers.map(({ rows }) => rows[0].n)).toEqual(Array.from({ length: 40 }, (_, n) => n));
    expect(await prepared(pool)).toEqual([]);
  });
});

describe("faults", () => {
  it.each([
    ["a query", (pool: Pool) => pool.query("SELECT 1")],
    ["a caller", async (pool: Pool) => (await pool.connect()).release()],
  ])("%s gets no connection that broke right behind the answer to the one before", async (_, use) => {
    await using pool = newPool({ max: 1 });
    pool.once("connect", (client) => {
      const { connection } = client as unknown as { connection: EventEmitter };
      connection.once("readyForQuery", () => connection.emit("error", new Error("cut")));
    });
    await Promise.all([pool.query("SELECT 1"), use(pool)]);
    expect(pool.stats().totals).toMatchObject({ acquired: 3, closed: { error: 1 } });
  });

  it("100 connections that are cut under load hang nobody and leak nothing", async () => {
    const pool = newPool({ max: 100, application_name: "cut" });
    let over = false;
    const caller = async (): Promise<void> => {
      while (!over) await pool.query("SELECT pg_sleep(0.001)").catch(() => {});
    };
    const callers = Array.from({ length: 150 }, caller);
    await until(async () => (await sessionsOf("cut")) >= 90);
    await server.terminate("application_name = 'cut'");
    // No query fails if all were answered before they were cut.
    await until(() => pool.stats().totals.closed.error > 0);
    await sleep(200);
    over = true;
    await Promise.all(callers);
    expect(pool.totalCount).toBeLessThanOrEqual(100);
    expect((await pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
    await pool.end();
    await until(async () => (await sessionsOf("cut")) === 0);
  });

  it("a client that is lost between two of its queries says to what, whatever form the next one has", async () => {
    await using pool = newPool({ application_name: "between" });
    const client = await pool.connect();
    const lost = new Promise((resolve) => client.once("error", resolve));
    await client.query("SELECT 1");
    await server.terminate("application_name = 'between'");
    await lost;
    const called = (ask: (done: (error?: unknown) => void) => void): Promise<Error> =>
      new Promise((resolve) => ask(resolve as () => void));
    const errors = await Promise.all([
      failure(client.query("SELECT 1")),
      failure(client.query("SELECT $1", [1])),
      failure(client.query({ text: "SELECT 1", name: "one" })),
      called((done) => client.query("SELECT 1", done)),
      called((done) => client.query("SELECT $1", [1], done)),
      called((done) => client.query(new pg.Query("SELECT 1") as never, done)),
      called((done) => client.query(new Cursor("SELECT 1")).read(1, done)),
      called((done) => client.query(new QueryStream("SELECT 1")).on("error", done).resume()),
    ]);
    client.release();
    for (const { message, cause } of errors) {
      expect(message).toMatch(/^Client has encountered a connection error and is not queryable: terminating/);
      expect(cause).toMatchObject({ code: "57P01" });
    }
    expect((await pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
  });

  it("writes that a standby refuses replace the connections once, and none where a standby is wanted", async () => {
    const standby = { options: "-c default_transaction_read_only=on" };
    await using pool = newPool({ ...standby, max: 2 });
    const clients = await Promise.all([pool.connect(), pool.connect()]);
    for (const client of clients) client.release();
    const later = failure(pool.query("SELECT pg_sleep(0.5); CREATE TABLE refused (n int)"));
    expect(await failure(pool.query("CREATE TABLE refused (n int)"))).toMatchObject({ code: "25006" });
    await pool.query("SELECT 1");
    expect(await later).toMatchObject({ code: "25006" });
    await until(() => pool.stats().checking === 0);
    expect(pool.stats()).toMatchObject({ idle: 1, totals: { invalidations: 1 } });

    await using wanted = newPool({ ...standby, max: 2, targetSessionAttrs: "read-only" });
    expect(await failure(wanted.query("CREATE TABLE refused (n int)"))).toMatchObject({ code: "25006" });
    expect((await wanted.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
    expect(wanted.stats().totals).toMatchObject({ created: 1, invalidations: 0 });
  });

  it("a server that restarts is used again", async () => {
    await using other = await startPostgres();
    await using pool = new Pool({ connectionString: other.url, max: 5, connectionTimeoutMillis: 20_000 });
    await Promise.all(Array.from({ length: 20 }, () => pool.query("SELECT 1")));
    await other.restart("immediate");
    await vi.waitFor(() => pool.query("SELECT 1"), { timeout: 20_000, interval: 10 });
    expect(pool.waitingCount).toBe(0);
  });

  it("end() ends with clients out, one of them in a query that never ends", async () => {
    const pool = newPool({ application_name: "out", endTimeoutMillis: 100 });
    const idle = await pool.connect();
    const busy = await pool.connect();
    const work = busy.query("SELECT pg_sleep(60)").catch((error: Error) => error.message);
    await pool.end();
    expect(pool.ended).toBe(true);
    expect(await work).toMatch(/terminated/);
    expect(() => idle.release()).not.toThrow();
    expect(() => busy.release()).not.toThrow();
    await server.terminate("query = 'SELECT pg_sleep(60)'");
    await until(async () => (await sessionsOf("out")) === 0);
  });

  it("a client that never answers holds up neither its caller nor the pool", async () => {
    using hole = await BlackHole.before(server.port);
    const pool = new Pool({
      host: "127.0.0.1",
      port: hole.port,
      user: "formdb",
      database: "postgres",
      query_timeout: 1_000,
      endTimeoutMillis: 100,
    });
    await pool.query("SELECT 1");
    hole.swallow();
    await expect(pool.query("SELECT 2")).rejects.toThrow("Query read timeout");
    expect(pool.totalCount).toBe(0);
    await pool.end();
  });
});
