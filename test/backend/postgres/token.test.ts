import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { GroupWrite } from "../../../src/backend/backend.ts";
import type { PostgresBackend, PostgresConnection } from "../../../src/backend/postgres/postgres-backend.ts";
import { compile } from "../../../src/plan/compile.ts";
import type { Expression } from "../../../src/query/syntax-tree.ts";
import { failure } from "../../support/failure.ts";
import { usePostgres } from "../../support/hooks.ts";
import { OpenBackends, rowsOf, run, TOKEN_WAYS } from "../../support/postgres-backends.ts";

const open = new OpenBackends();
const SLOT = { type: "slot", index: 0 } as const;
const APPLIED = { missing: [], rejected: [] };

/** What a client that is gone has left behind on the server: a try that is still on its way. */
describe.each(TOKEN_WAYS)("a batch's token on PostgreSQL (stored %s)", (_way, profileOverrides) => {
  const server = usePostgres();
  let backend: PostgresBackend;
  let connection: PostgresConnection;
  let late: PostgresConnection;

  beforeAll(async () => {
    backend = await open.start(await server.createDatabase(), { profileOverrides });
  });
  beforeEach(async () => {
    connection = await open.connect(backend);
    late = await open.connect(backend);
    const { ddl } = backend.dialect;
    await run(connection, ...ddl.dropCollection("docs"), ...ddl.createCollection("docs"));
    await run(connection, "TRUNCATE formdb_batches");
  });

  function insert(n: number, count = 1): GroupWrite {
    const ids = Array.from({ length: count }, (_, i) => `k${String(i).padStart(4, "0")}`);
    return { kind: "insert", collection: "docs", ids, json: ids.map(() => `{"n":${n}}`), token: "the token" };
  }

  function versions(): Promise<unknown> {
    return rowsOf(connection, 'SELECT DISTINCT version FROM "docs"');
  }

  test("that is looked up waits for a try that is about to commit", async () => {
    await late.begin(undefined);
    await late.write(insert(1));
    const found = connection.lookUpToken(insert(1));
    await server.someoneWaits();
    await late.commit();
    expect(await found).toEqual(APPLIED);
  });

  test("is not committed after it was looked up in vain", async () => {
    await late.begin(undefined);
    await run(late, "SELECT 1");
    expect(await connection.lookUpToken(insert(1))).toBeUndefined();
    expect(await failure(late.write(insert(1)))).toMatchObject({ sqlstate: "23505", outcome: "rejected" });
    await late.rollback();
    expect(await versions()).toEqual([]);
    expect(await connection.lookUpToken(insert(1))).toBeUndefined();
  });

  test.each([1, 20, 600])("is used again by those who looked it up (%i documents)", async (count) => {
    expect(await connection.lookUpToken(insert(1, count))).toBeUndefined();
    expect(await connection.write(insert(1, count))).toEqual(APPLIED);
    expect(await connection.write(insert(1, count))).toEqual(APPLIED);
    expect(await connection.lookUpToken(insert(1, count))).toEqual(APPLIED);
    expect(await versions()).toEqual([[1]]);
    expect(connection.inTransaction).toBe(false);
  });

  test("that was looked up in vain keeps an update from being applied twice", async () => {
    await connection.write({ ...insert(1), token: undefined });
    const update: GroupWrite = { ...insert(2), kind: "update" };
    expect(await connection.lookUpToken(update)).toBeUndefined();
    expect(await connection.write(update)).toEqual(APPLIED);
    expect(await late.write(update)).toEqual(APPLIED);
    expect(await versions()).toEqual([[2]]);
  });

  test("keeps changes from being made twice, and tells what became of each", async () => {
    await connection.write({ ...insert(1, 2), token: undefined });
    const where: Expression = {
      type: "compare",
      operator: "=",
      left: { type: "path", path: ["id"] },
      right: SLOT,
    };
    const steps = [{ kind: "inc", path: ["n"], value: { type: "slot", index: 1 } }] as const;
    const tree = {
      type: "change",
      action: "update",
      collection: "docs",
      steps,
      where,
      gives: "version",
    } as const;
    const parts = { document: undefined, version: undefined, first: undefined };
    const plan = compile({ ...tree, ...parts }, "inc n", backend.dialect);
    const bound = [1, 2, 3].map((n) => plan.bindInGroup!(["", n]));
    const group: GroupWrite = {
      kind: "update",
      collection: "docs",
      ids: ["k0000", "k0000", "none"],
      json: [],
      changes: { statement: bound[0]!.statement!, values: bound.map(({ values }) => values) },
      token: "the token",
    };
    const made = { ...APPLIED, changes: [{ version: 2 }, { version: 3 }, undefined] };
    expect(await connection.lookUpToken(group)).toBeUndefined();
    expect(await connection.write(group)).toEqual(made);
    expect(await late.write(group)).toEqual(made);
    expect(await connection.lookUpToken(group)).toEqual(made);
    expect(await connection.getMany("docs", ["k0000"])).toMatchObject([{ json: '{"n": 4}', version: 3 }]);
  });

  test("keeps what the first try found, when it was committed late", async () => {
    await connection.write({ ...insert(1), ids: ["k0000"], token: undefined });
    await late.begin(undefined);
    await late.write(insert(2, 3));
    const again = connection.write(insert(2, 3));
    await server.someoneWaits();
    await late.commit();
    expect(await again).toEqual({ missing: ["k0000"], rejected: [] });
    expect(await versions()).toEqual([[1]]);
  });
});
