import { beforeAll, describe, expect, test } from "vitest";
import type { PostgresBackend, PostgresConnection } from "../../../src/backend/postgres/postgres-backend.ts";
import { failure } from "../../support/failure.ts";
import { usePostgres } from "../../support/hooks.ts";
import { OpenBackends, rowsOf, run } from "../../support/postgres-backends.ts";
import { versions } from "../../support/postgres-ledger.ts";
import { postgresVersions, ROLE, startPostgres } from "../../support/postgres-server.ts";
import { change, never, statement } from "../../support/statements.ts";

const open = new OpenBackends();

describe.each(postgresVersions())("when PostgreSQL (%s) goes away", (version) => {
  const server = usePostgres({ version });
  let backend: PostgresBackend;

  beforeAll(async () => {
    backend = await open.start(server.url);
  });

  async function lostWhile(
    connection: PostgresConnection,
    call: Promise<unknown>,
  ): ReturnType<typeof failure> {
    const error = failure(call);
    while ((await server.sessions("state = 'active' AND query ~ 'pg_sleep'")) === 0);
    await server.terminate("application_name = 'formdb'");
    const found = await error;
    expect(connection.usable).toBe(false);
    return found;
  }

  test("an idle connection says so once and ends nothing", async () => {
    const connection = await open.connect(backend);
    const lost = new Promise<Error>((resolve) => {
      connection.onLost = resolve;
    });
    await server.terminate("application_name = 'formdb'");
    expect(await lost).toMatchObject({ code: "FORMDB_CONNECTION_LOST", sqlstate: "57P01" });
    expect(connection.usable).toBe(false);
    expect(await connection.ping()).toBe(false);
    expect(await failure(connection.execute(statement("SELECT 1"), []))).toMatchObject({
      code: "FORMDB_CONNECTION_LOST",
      retryable: true,
    });
    await connection.rollback();
  });

  test("a read in flight may be made again", async () => {
    const connection = await open.connect(backend);
    const error = await lostWhile(connection, connection.execute(statement("SELECT pg_sleep(30)"), []));
    expect(error).toMatchObject({ code: "FORMDB_CONNECTION_LOST", sqlstate: "57P01", retryable: true });
    expect(error.outcome).toBeUndefined();
    expect(backend.isFatal(error)).toBe(true);
    expect(backend.invalidatesPool(error)).toBe(true);
  });

  test("a write that commits by itself has an outcome that nobody knows", async () => {
    const connection = await open.connect(backend);
    const error = await lostWhile(connection, connection.execute(change("SELECT pg_sleep(30)"), []));
    expect(error).toMatchObject({ code: "FORMDB_CONNECTION_LOST", outcome: "unknown", retryable: false });
  });

  test("a write in a transaction was certainly not applied", async () => {
    const connection = await open.connect(backend);
    await connection.begin(undefined);
    const error = await lostWhile(connection, connection.execute(change("SELECT pg_sleep(30)"), []));
    expect(error).toMatchObject({ code: "FORMDB_CONNECTION_LOST", outcome: "rejected", retryable: true });
  });

  test("a stream ends with an error, and its connection is of no more use", async () => {
    const connection = await open.connect(backend);
    const reading = async (): Promise<void> => {
      for await (const _ of connection.stream(
        statement("SELECT g, pg_sleep(30) FROM generate_series(1, 3) g"),
        [],
      ));
    };
    expect(await lostWhile(connection, reading())).toMatchObject({ code: "FORMDB_CONNECTION_LOST" });
  });

  test("a killed server loses every call, and comes back", async () => {
    const connection = await open.connect(backend);
    const idle = await open.connect(backend);
    const lost = new Promise<Error>((resolve) => {
      idle.onLost = resolve;
    });
    const call = failure(connection.execute(change("SELECT pg_sleep(30)"), []));
    await server.kill();
    expect(await call).toMatchObject({ code: "FORMDB_CONNECTION_LOST", outcome: "unknown" });
    expect(await lost).toMatchObject({ code: "FORMDB_CONNECTION_LOST" });
    const refused = await failure(backend.connect("write", never));
    expect(refused).toMatchObject({ code: "FORMDB_CONNECT_FAILED", retryable: true });
    await server.start();
    expect(await (await open.connect(backend)).ping()).toBe(true);
  });

  test("a commit in flight has an outcome that nobody knows", async () => {
    await server.query("DROP TABLE IF EXISTS slow_commit");
    await server.query("CREATE TABLE slow_commit (n int)");
    await server.query(
      "CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(30); RETURN NULL; END $$",
    );
    await server.query(
      "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON slow_commit DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()",
    );
    const connection = await open.connect(backend);
    await connection.begin(undefined);
    await connection.execute(change("INSERT INTO slow_commit VALUES (1)"), []);
    const call = failure(connection.commit());
    while ((await server.sessions("state = 'active' AND query = 'COMMIT'")) === 0);
    await server.kill();
    expect(await call).toMatchObject({
      code: "FORMDB_CONNECTION_LOST",
      outcome: "unknown",
      retryable: false,
    });
    await server.start();
  });

  test("a dozen restarts during writes lose none that was acknowledged, and apply none twice", async () => {
    await run(await open.connect(backend), ...backend.dialect.ddl.createCollection("restarts"));
    const acknowledged: string[] = [];
    let errors = 0;
    let next = 0;
    let done = false;

    /** One document at a time, under a token; what is unknown is looked up before it is sent again. */
    async function load(worker: number): Promise<void> {
      let connection: PostgresConnection | undefined;
      while (!done) {
        const id = `w${worker}-${next++}`;
        const group = {
          kind: "insert",
          collection: "restarts",
          ids: [id],
          json: ["{}"],
          token: `token-${id}`,
        } as const;
        for (let settled = false; !settled && !(done && connection === undefined); ) {
          try {
            connection ??= await backend.connect("write", never);
            const result = await connection.write(group);
            expect(result.missing).toEqual([]);
            acknowledged.push(id);
            settled = true;
          } catch (error) {
            if ((error as Error).name !== "FormDBError") throw error;
            errors++;
            await connection?.close();
            connection = undefined;
          }
        }
      }
      await connection?.close();
    }

    const workers = [1, 2, 3].map(load);
    for (let i = 0; i < 12; i++) {
      const before = acknowledged.length;
      while (acknowledged.length < before + 20) await new Promise((resolve) => setImmediate(resolve));
      await server.restart(i % 2 === 0 ? "immediate" : "fast");
    }
    done = true;
    await Promise.all(workers);
    expect(errors).toBeGreaterThan(0);
    const found = await versions(server, "restarts");
    expect(acknowledged.filter((id) => !found.has(id))).toEqual([]);
    expect(new Set(acknowledged).size).toBe(acknowledged.length);
    expect([...found.values()].every((version) => version === 1)).toBe(true);
  });
});

test.each(postgresVersions())(
  "the next primary is found when PostgreSQL (%s) fails over",
  async (version) => {
    await using primary = await startPostgres({ version });
    const first = await open.start(primary.url);
    await run(await open.connect(first), ...first.dialect.ddl.createCollection("kept"));
    await using standby = await startPostgres({ standbyOf: primary });
    await primary.query("ALTER SYSTEM SET synchronous_standby_names = '*'");
    await primary.query("ALTER SYSTEM SET synchronous_commit = 'remote_apply'");
    await primary.query("SELECT pg_reload_conf()");

    const url = `postgres://${ROLE}@127.0.0.1:${primary.port},127.0.0.1:${standby.port}/postgres`;
    const backend = await open.start(url);
    let connection = await open.connect(backend);
    expect(connection.host).toBe(`127.0.0.1:${primary.port}`);
    const insert = (id: string): Promise<unknown> =>
      connection.write({ kind: "insert", collection: "kept", ids: [id], json: ["{}"], token: `token-${id}` });
    await insert("before");

    await primary.kill();
    expect(await failure(insert("between"))).toMatchObject({ code: "FORMDB_CONNECTION_LOST" });
    expect((await failure(backend.connect("write", never))).message).toMatch(
      /ECONNREFUSED.*it takes no writes|it takes no writes.*ECONNREFUSED/,
    );
    await standby.promote();
    connection = await open.connect(backend);
    expect(connection.host).toBe(`127.0.0.1:${standby.port}`);
    await insert("after");
    const rows = await rowsOf(connection, 'SELECT id FROM "kept" ORDER BY id');
    // A server's processes outlive its postmaster for a moment: what was in flight is unknown, and may be there.
    expect(rows.filter(([id]) => id !== "between")).toEqual([["after"], ["before"]]);
  },
);

test.each(postgresVersions())("a server (%s) that takes no writes any more is left", async (version) => {
  await using server = await startPostgres({ version });
  const backend = await open.start(server.url);
  const connection = await open.connect(backend);
  await run(connection, "CREATE TABLE t (n int)", "SET default_transaction_read_only = on");
  const error = await failure(connection.execute(change("INSERT INTO t VALUES (1)"), []));
  expect(error).toMatchObject({
    code: "FORMDB_CONNECTION_LOST",
    sqlstate: "25006",
    outcome: "rejected",
    retryable: true,
  });
  expect(backend.invalidatesPool(error)).toBe(true);
  expect(connection.usable).toBe(false);
});
