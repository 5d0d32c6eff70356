import { describe, expect, test } from "vitest";
import type { PostgresConnection } from "../../../src/backend/postgres/postgres-backend.ts";
import type { DdlDialect } from "../../../src/dialect/ddl-dialect.ts";
import { failure } from "../../support/failure.ts";
import { usePostgres } from "../../support/hooks.ts";
import { OpenBackends, rowsOf, run } from "../../support/postgres-backends.ts";
import { postgresVersions } from "../../support/postgres-server.ts";

const open = new OpenBackends();

describe.each(postgresVersions())("the schema on PostgreSQL (%s)", (version) => {
  const server = usePostgres({ version });

  async function fresh(): Promise<{ ddl: DdlDialect; connection: PostgresConnection; url: string }> {
    const url = await server.createDatabase();
    const backend = await open.start(url);
    return { ddl: backend.dialect.ddl, connection: await open.connect(backend), url };
  }

  test("can be made by several processes at the same time", async () => {
    const url = await server.createDatabase();
    const backends = await Promise.all(Array.from({ length: 5 }, () => open.start(url)));
    const connections = await Promise.all(backends.map((backend) => open.connect(backend)));
    await Promise.all(
      connections.flatMap(async (connection, i) => {
        for (const name of ["one", "two", "three"])
          await run(connection, ...backends[i]!.dialect.ddl.createCollection(name));
      }),
    );
    const found = await rowsOf(connections[0]!, backends[0]!.dialect.ddl.listCollections);
    expect(found).toEqual([["one"], ["three"], ["two"]]);
  });

  test("is not touched again by a role that may make no tables", async () => {
    const { url } = await fresh();
    await server.query("DROP ROLE IF EXISTS guest");
    await server.query("CREATE ROLE guest LOGIN");
    const guest = await open.start(url.replace("formdb@", "guest@"));
    expect(await (await open.connect(guest)).ping()).toBe(true);
  });

  test("lists collections, and no other tables", async () => {
    const { ddl, connection } = await fresh();
    await run(connection, ...ddl.createCollection("Mixed_Case"));
    await run(
      connection,
      "CREATE TABLE other (id text, doc jsonb)",
      'CREATE VIEW seen AS SELECT id, doc, version, updated_at FROM "Mixed_Case"',
    );
    expect(await rowsOf(connection, ddl.listCollections)).toEqual([["Mixed_Case"]]);
    await run(connection, "DROP VIEW seen", ...ddl.dropCollection("Mixed_Case"));
    expect(await rowsOf(connection, ddl.listCollections)).toEqual([]);
  });

  test("keeps an index and its entry together, whatever its name", async () => {
    const { ddl, connection } = await fresh();
    await run(connection, ...ddl.createCollection("a"), ...ddl.createCollection("a_b"));
    const paths = [["it's", 0, "x\\y"], ["id"]];
    await run(connection, ...ddl.createIndex({ collection: "a", name: "b_c", paths, unique: false }));
    await run(connection, ...ddl.createIndex({ collection: "a_b", name: "c", paths: [["n"]], unique: true }));
    expect(await rowsOf(connection, ddl.listIndexes)).toEqual([
      ["a", "b_c", JSON.stringify(paths), false],
      ["a_b", "c", '[["n"]]', true],
    ]);
    await run(connection, ...ddl.dropIndex("a", "b_c"));
    expect(await rowsOf(connection, ddl.listIndexes)).toHaveLength(1);
    const left = await rowsOf(connection, "SELECT indexname::text FROM pg_indexes WHERE tablename = 'a'");
    expect(left).toEqual([[ddl.primaryKeyName("a")]]);
  });

  test("keeps no entry of an index that could not be made", async () => {
    const { ddl, connection } = await fresh();
    await run(connection, ...ddl.createCollection("people"));
    const json = ['{"mail": "x"}', '{"mail": "x"}'];
    await connection.write({ kind: "insert", collection: "people", ids: ["1", "2"], json, token: undefined });
    const index = { collection: "people", name: "by_mail", paths: [["mail"]], unique: true };
    expect(await failure(run(connection, ...ddl.createIndex(index)))).toMatchObject({
      code: "FORMDB_CONSTRAINT",
    });
    expect(await rowsOf(connection, ddl.listIndexes)).toEqual([]);
    await connection.write({ kind: "delete", collection: "people", ids: ["2"], json: [], token: undefined });
    await run(connection, ...ddl.createIndex(index));
    const taken = connection.write({
      kind: "insert",
      collection: "people",
      ids: ["3"],
      json: ['{"mail": "x"}'],
      token: "t",
    });
    expect(await failure(taken)).toMatchObject({
      code: "FORMDB_CONSTRAINT",
      sqlstate: "23505",
      outcome: "rejected",
    });
  });

  test("is refused where text is not kept as UTF-8", async () => {
    await server.query(
      "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER 'libc' TEMPLATE template0",
    );
    const error = await failure(open.start(server.urlOf("latin")));
    expect(error).toMatchObject({ code: "FORMDB_UNSUPPORTED" });
    expect(error.message).toMatch(/encoding must be UTF8, not LATIN1/);
  });

  test("has no indexes over documents on an engine without them", async () => {
    const backend = await open.start(server.url, { profileOverrides: { expressionIndexes: false } });
    expect(() =>
      backend.dialect.ddl.createIndex({ collection: "c", name: "n", paths: [["x"]], unique: false }),
    ).toThrow(/no indexes over parts of documents/);
  });
});
