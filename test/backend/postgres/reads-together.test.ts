import { beforeAll, describe, expect, test } from "vitest";
import type { PostgresBackend, PostgresConnection } from "../../../src/backend/postgres/postgres-backend.ts";
import type { EngineStatement } from "../../../src/base/engine-statement.ts";
import type { FormDBError } from "../../../src/base/errors.ts";
import { usePostgres } from "../../support/hooks.ts";
import { OpenBackends, run } from "../../support/postgres-backends.ts";
import { postgresVersions } from "../../support/postgres-server.ts";
import { once, statement } from "../../support/statements.ts";

const open = new OpenBackends();

describe.each(postgresVersions())("reads that share a round trip of PostgreSQL (%s)", (version) => {
  const server = usePostgres({ version });
  let url: string;
  let backend: PostgresBackend;

  beforeAll(async () => {
    url = await server.createDatabase();
    backend = await open.start(url);
  });

  /** Each read's first value, or what is known of its error. */
  async function together(
    connection: PostgresConnection,
    ...calls: (readonly [statement: EngineStatement, ...values: unknown[]])[]
  ): Promise<unknown[]> {
    const ends = await connection.executeTogether(
      calls.map(([called, ...values]) => ({ statement: called, values })),
    );
    return ends.map((end) =>
      end.status === "fulfilled"
        ? end.value.rows[0]?.[0]
        : ((end.reason as FormDBError).sqlstate ?? (end.reason as FormDBError).code),
    );
  }
  const double = statement("SELECT 2 * $1::int");
  const divide = statement("SELECT 12 / $1::int");
  const wrong = statement("SELECT no_such_column");

  test("each have their own answer, at the first use and later", async () => {
    const connection = await open.connect(backend);
    for (let round = 0; round < 3; round++) {
      expect(
        await together(connection, [double, 1], [divide, 4], [once("SELECT 'plain'")], [double, 3]),
      ).toEqual([2, 3, "plain", 6]);
    }
    // The statement that came twice before it was answered was kept once.
    expect(connection.preparedStatements).toBe(2);
  });

  test("fail alone", async () => {
    const connection = await open.connect(backend);
    for (let round = 0; round < 2; round++) {
      expect(
        await together(
          connection,
          [double, 1],
          [divide, 0],
          [wrong],
          [divide, 2],
          [double, "x"],
          [double, 4],
        ),
      ).toEqual([2, "22012", "42703", 6, "22P02", 8]);
    }
    expect(connection.usable).toBe(true);
    expect(connection.inTransaction).toBe(false);
  });

  test("reach the server before the first is answered", async () => {
    const connection = await open.connect(backend);
    const sleeping = connection.executeTogether([
      { statement: statement("SELECT pg_sleep(60)::text"), values: [] },
      { statement: double, values: [4] },
    ]);
    // What was sent behind it can be answered only when it has ended: by this cancellation.
    let cancelled = false;
    while (!cancelled) {
      cancelled = (
        await server.query(
          "SELECT pg_cancel_backend(pid) AS done FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)%' AND state = 'active'",
        )
      )[0]?.done as boolean;
    }
    const ends = await sleeping;
    expect(ends[0]).toMatchObject({ status: "rejected", reason: { sqlstate: "57014" } });
    expect(ends[1]).toMatchObject({ status: "fulfilled", value: { rows: [[8]] } });
  });

  test("are lost with their connection, but for those that were answered before", async () => {
    const connection = await open.connect(backend);
    const ends = await connection.executeTogether([
      { statement: double, values: [4] },
      { statement: statement("SELECT pg_terminate_backend(pg_backend_pid())"), values: [] },
      { statement: divide, values: [4] },
      { statement: double, values: [5] },
    ]);
    expect(ends[0]).toMatchObject({ status: "fulfilled", value: { rows: [[8]] } });
    for (const end of ends.slice(1)) {
      expect(end).toMatchObject({
        status: "rejected",
        reason: { code: "FORMDB_CONNECTION_LOST", fatal: true, retryable: true },
      });
    }
    expect(connection.usable).toBe(false);
  });

  test("prepare again what no longer fits its table, and what somebody closed", async () => {
    const apart = await open.start(url);
    const connection = await open.connect(apart);
    await run(connection, "DROP TABLE IF EXISTS altered; CREATE TABLE altered (a int)");
    await run(connection, "INSERT INTO altered VALUES (1)");
    const all = statement("SELECT * FROM altered");
    expect(await together(connection, [all], [double, 1])).toEqual([1, 2]);
    await run(connection, "ALTER TABLE altered ADD COLUMN b int DEFAULT 7");
    expect(await together(connection, [double, 2], [all], [double, 3])).toEqual([4, 1, 6]);
    await run(connection, "DEALLOCATE ALL");
    expect(await together(connection, [double, 2], [all], [double, 3])).toEqual([4, 1, 6]);
    expect(await together(connection, [double, 2], [all])).toEqual([4, 1]);
  });

  test("keep as many statements prepared as the connection may", async () => {
    const limited = await open.start(url, { statementCacheSize: 3 });
    const connection = await open.connect(limited);
    const ten = Array.from({ length: 10 }, (_, i) => [statement(`SELECT ${i}`)] as const);
    for (let round = 0; round < 3; round++) {
      expect(await together(connection, ...ten)).toEqual(ten.map((_, i) => i));
    }
    const rows = await run(connection, "SELECT count(*) FROM pg_prepared_statements");
    expect([rows[0]![0], connection.preparedStatements]).toEqual([3, 3]);
  });

  test("go one after the other where a pooler may give each another session", async () => {
    const pooled = await open.start(url, { pgbouncer: true });
    const connection = await open.connect(pooled);
    expect(await together(connection, [double, 1], [divide, 0], [wrong], [double, 4])).toEqual([
      2,
      "22012",
      "42703",
      8,
    ]);
    expect(connection.preparedStatements).toBe(0);
  });

  test("take the connection for themselves", async () => {
    const connection = await open.connect(backend);
    const first = together(connection, [double, 1], [double, 2]);
    await expect(connection.execute(double, [3])).rejects.toThrow("one call at a time");
    expect(await first).toEqual([2, 4]);
    expect((await connection.execute(double, [3])).rows).toEqual([[6]]);
  });
});
