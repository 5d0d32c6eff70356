import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { GroupWrite } from "../../../src/backend/backend.ts";
import type { PostgresBackend } from "../../../src/backend/postgres/postgres-backend.ts";
import { failure } from "../../support/failure.ts";
import { usePostgres } from "../../support/hooks.ts";
import { OpenBackends, rowsOf, run } from "../../support/postgres-backends.ts";
import { postgresVersions } from "../../support/postgres-server.ts";

const open = new OpenBackends();

/** What FormDB asks of Citus, on a server that has none: each call is noted in `asked`. */
const STAND_IN = [
  "CREATE TABLE asked (what text NOT NULL)",
  'CREATE TABLE pg_dist_partition (logicalrelid regclass, partmethod "char", colocationid int)',
  "CREATE TABLE pg_dist_shard (logicalrelid regclass)",
  "CREATE FUNCTION citus_is_coordinator() RETURNS boolean LANGUAGE sql AS 'SELECT true'",
  "CREATE FUNCTION create_reference_table(name text) RETURNS void LANGUAGE sql AS ''",
  "CREATE FUNCTION create_distributed_table(name text, key text, colocate_with text DEFAULT 'default') RETURNS void " +
    "LANGUAGE sql AS $$ INSERT INTO asked VALUES ('distribute ' || name || ' ' || colocate_with) $$",
  "CREATE FUNCTION recover_prepared_transactions() RETURNS int LANGUAGE sql AS " +
    "$$ INSERT INTO asked VALUES ('finish'); SELECT 1 $$",
  "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS " +
    "$$ BEGIN INSERT INTO asked VALUES (TG_ARGV[0]); RETURN NULL; END $$",
  "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS " +
    "$$ BEGIN RAISE WARNING 'failed to commit transaction on h:1'; RETURN NULL; END $$",
];

/** Has the commit of documents say what Citus says of one that a node did not confirm. */
const WARNS =
  "CREATE CONSTRAINT TRIGGER warned AFTER INSERT ON docs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION warn()";

describe.each(postgresVersions())("with Citus's profile (%s)", (version) => {
  const server = usePostgres({ version });
  let backend: PostgresBackend;
  let asked: () => Promise<unknown[]>;

  beforeAll(async () => {
    const url = await server.createDatabase();
    const connection = await open.connect(await open.start(url));
    await run(connection, ...STAND_IN, "DROP TABLE IF EXISTS formdb_batches, formdb_indexes");
    backend = await open.start(url, { profile: "citus" });
  });

  beforeEach(async () => {
    const connection = await open.connect(backend);
    asked = async () => (await rowsOf(connection, "SELECT what FROM asked")).flat();
  });

  test("the tokens' table joins no table of the application's", async () => {
    expect(await asked()).toContain("distribute formdb_batches none");
  });

  describe("and a collection", () => {
    beforeEach(async () => {
      const connection = await open.connect(backend);
      await run(
        connection,
        "DROP TABLE IF EXISTS docs",
        ...backend.dialect.ddl.createCollection("docs"),
        "DROP TRIGGER IF EXISTS noted ON formdb_batches",
        "TRUNCATE asked, formdb_batches",
      );
    });

    const insert = (...ids: string[]): GroupWrite => ({
      kind: "insert",
      collection: "docs",
      ids,
      json: ids.map(() => "{}"),
      token: undefined,
    });
    const copied = (token: string): GroupWrite => ({
      ...insert(...Array.from({ length: 20 }, (_, i) => `k${i + 10}`)),
      token,
    });

    test.each([
      [2, ["in two phases"]],
      [1, []],
      [0, []],
    ])(
      "a transaction of %i writes is committed in two phases if it may be of two nodes",
      async (writes, expected) => {
        const connection = await open.connect(backend);
        await run(
          connection,
          "CREATE TRIGGER noted BEFORE INSERT ON formdb_batches EXECUTE FUNCTION note('in two phases')",
        );
        await connection.begin(undefined);
        await connection.getMany("docs", ["a"]);
        for (let i = 0; i < writes; i++) await connection.write(insert(`k${i}`));
        await connection.commit();
        expect(await asked()).toEqual(expected);
        expect(await rowsOf(connection, "SELECT count(*)::int FROM docs")).toEqual([[writes]]);
        expect(await rowsOf(connection, "SELECT count(*)::int FROM formdb_batches")).toEqual([[0]]);
      },
    );

    test("what a node was not heard to commit is finished before it is reported", async () => {
      const connection = await open.connect(backend);
      await run(connection, WARNS);
      await connection.write(copied("t1"));
      expect(await asked()).toEqual(["finish"]);
      await connection.begin(undefined);
      await connection.write(insert("a"));
      await connection.commit();
      expect(await asked()).toEqual(["finish", "finish"]);
      await connection.write(insert("b"));
      expect(await asked()).toEqual(["finish", "finish", "finish"]);
    });

    test("what can't be finished is a group of which its token is asked", async () => {
      const connection = await open.connect(backend);
      const recover = "recover_prepared_transactions";
      await run(connection, WARNS, `ALTER FUNCTION ${recover}() RENAME TO elsewhere`);
      const error = await failure(connection.write(copied("t2")));
      expect(error).toMatchObject({ code: "FORMDB_CONNECTION_LOST", outcome: "unknown", retryable: false });
      expect(connection.usable).toBe(true);
      const none = { missing: [], rejected: [] };
      expect(await connection.lookUpToken(copied("t2"))).toEqual(none);
      await run(connection, `ALTER FUNCTION elsewhere() RENAME TO ${recover}`);
      expect(await connection.lookUpToken(copied("t2"))).toEqual(none);
      expect(await asked()).toEqual(["finish"]);
    });
  });
});
