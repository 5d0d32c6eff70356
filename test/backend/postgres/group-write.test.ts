import fc from "fast-check";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { GroupWrite } from "../../../src/backend/backend.ts";
import type { PostgresBackend, PostgresConnection } from "../../../src/backend/postgres/postgres-backend.ts";
import type { Json } from "../../../src/batch/merge-patch.ts";
import { failure } from "../../support/failure.ts";
import { usePostgres } from "../../support/hooks.ts";
import { OpenBackends, rowsOf, run, TOKEN_WAYS } from "../../support/postgres-backends.ts";
import { postgresVersions } from "../../support/postgres-server.ts";
import { mergePatch } from "../../support/rfc7396.ts";
import { change } from "../../support/statements.ts";

const open = new OpenBackends();

describe.each(postgresVersions())("a group of writes on PostgreSQL (%s)", (version) => {
  const server = usePostgres({ version });
  let backend: PostgresBackend;
  let connection: PostgresConnection;

  beforeAll(async () => {
    backend = await open.start(await server.createDatabase());
  });
  beforeEach(async () => {
    connection = await open.connect(backend);
    const { ddl } = backend.dialect;
    await run(connection, ...ddl.dropCollection("docs"), ...ddl.createCollection("docs"));
  });

  function group(kind: GroupWrite["kind"], documents: Record<string, Json>, token?: string): GroupWrite {
    const ids = Object.keys(documents);
    const json = kind === "delete" ? [] : ids.map((id) => JSON.stringify(documents[id]));
    return { kind, collection: "docs", ids, json, token };
  }

  async function stored(): Promise<Record<string, Json>> {
    const rows = await rowsOf(connection, 'SELECT id, doc::text FROM "docs" ORDER BY id');
    return Object.fromEntries(rows.map(([id, json]) => [id, JSON.parse(json as string)]));
  }

  test("inserts what is new, and names the ids that are taken", async () => {
    expect(await connection.write(group("insert", { a: { n: 1 }, b: { n: 2 } }))).toEqual({
      missing: [],
      rejected: [],
    });
    const second = await connection.write(group("insert", { a: { n: 9 }, c: { n: 3 } }));
    expect(second.missing).toEqual(["a"]);
    expect(await stored()).toEqual({ a: { n: 1 }, b: { n: 2 }, c: { n: 3 } });
  });

  test("keeps every kind of JSON, and ids that need quoting", async () => {
    const documents: Record<string, Json> = {
      'q"uo\\te': { text: 'a "b" \\ \n \u2028 😀', empty: "", deep: { a: [{ b: [null, true, 1.5e-7] }] } },
      "комета 彗星": { big: 9007199254740991, small: -0.1, "": [] },
    };
    await connection.write(group("insert", documents));
    expect(await stored()).toEqual(documents);
    const found = await connection.getMany("docs", [...Object.keys(documents), "nobody"]);
    expect(found.map(({ id }) => id).sort()).toEqual(Object.keys(documents).sort());
    expect(found.every(({ updatedAt }) => Math.abs(updatedAt - Date.now()) < 60_000)).toBe(true);
  });

  test("replaces or adds, counting versions", async () => {
    await connection.write(group("insert", { a: { n: 1, old: true } }));
    await connection.write(group("upsert", { a: { n: 2 }, b: { n: 3 } }));
    expect(await stored()).toEqual({ a: { n: 2 }, b: { n: 3 } });
    const rows = await rowsOf(connection, 'SELECT version FROM "docs" ORDER BY id');
    expect(rows).toEqual([[2], [1]]);
  });

  test("deletes what is there, and names what is not", async () => {
    await connection.write(group("insert", { a: {}, b: {} }));
    expect((await connection.write(group("delete", { a: null, x: null, y: null }))).missing).toEqual([
      "x",
      "y",
    ]);
    expect(await stored()).toEqual({ b: {} });
  });

  test("merges as RFC 7396 says, for any documents and patches", async () => {
    const names = fc.constantFrom("a", "b", "c", "__proto__", "0");
    const value = fc.letrec<{ json: Json }>((tie) => ({
      json: fc.oneof(
        { maxDepth: 7, depthSize: "medium" },
        fc.constantFrom<Json>(null, true, 0, 12.5, "", "{[", "x"),
        fc.array(tie("json"), { maxLength: 2 }) as fc.Arbitrary<Json>,
        fc.dictionary(names, tie("json"), { maxKeys: 3, noNullPrototype: true }) as fc.Arbitrary<Json>,
      ),
    })).json;
    const object = fc.dictionary(names, value, { maxKeys: 4, noNullPrototype: true }) as fc.Arbitrary<Json>;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(object, object), { minLength: 1, maxLength: 20 }), async (pairs) => {
        await run(connection, 'TRUNCATE "docs"');
        const id = (i: number): string => `k${String(i).padStart(2, "0")}`;
        const each = (of: (pair: [Json, Json]) => Json): Record<string, Json> =>
          Object.fromEntries(pairs.map((pair, i) => [id(i), of(pair)]));
        await connection.write(
          group(
            "insert",
            each(([target]) => target),
          ),
        );
        await connection.write(
          group(
            "update",
            each(([, patch]) => patch),
          ),
        );
        expect(await stored()).toEqual(each(([target, patch]) => mergePatch(target, patch)));
      }),
      { numRuns: Number(process.env.FORMDB_TEST_RUNS ?? 40) },
    );
  });

  test("merges patches that nest as deep as documents may", async () => {
    let patch: Json = { leaf: 1, gone: null };
    for (let i = 0; i < 400; i++) patch = { n: patch };
    await connection.write(group("insert", { a: { kept: 1, n: { n: { other: 2 } } } }));
    await connection.write(group("update", { a: patch }));
    expect(await stored()).toEqual({ a: mergePatch({ kept: 1, n: { n: { other: 2 } } }, patch) });
  });

  test("merges without a function of its own too", async () => {
    const plain = await open.start(server.url, { profileOverrides: { functions: false } });
    const other = await open.connect(plain);
    await run(other, ...plain.dialect.ddl.createCollection("plain"));
    let patch: Json = { leaf: 1, gone: null };
    for (let i = 0; i < 20; i++) patch = { n: patch };
    const write = (kind: "insert" | "update", json: Json): Promise<unknown> =>
      other.write({ kind, collection: "plain", ids: ["a"], json: [JSON.stringify(json)], token: undefined });
    await write("insert", { n: { x: 1 } });
    await write("update", patch);
    const rows = await rowsOf(other, 'SELECT doc::text FROM "plain"');
    expect(JSON.parse(rows[0]![0] as string)).toEqual(mergePatch({ n: { x: 1 } }, patch));
    for (let i = 0; i < 60; i++) patch = { n: patch };
    expect(await failure(write("update", patch))).toMatchObject({
      code: "FORMDB_UNSUPPORTED",
      outcome: "rejected",
    });
  });

  test("names what is not there to be merged, and keeps numbers that a double can't hold in parts that a patch does not touch", async () => {
    await connection.execute(
      change(
        `INSERT INTO "docs" VALUES ('a', '{"big": 123456789012345678901234567890, "n": {"x": 1}}', 1, 0)`,
      ),
      [],
    );
    const update = group("update", { a: { n: { x: null, y: 2 } }, z: {} });
    expect(await connection.write(update)).toEqual({ missing: ["z"], rejected: [] });
    const rows = await rowsOf(connection, 'SELECT doc::text FROM "docs"');
    expect(rows).toEqual([['{"n": {"y": 2}, "big": 123456789012345678901234567890}']]);
  });

  describe.each(TOKEN_WAYS)("with a token (stored %s)", (_way, profileOverrides) => {
    let other: PostgresConnection;

    beforeEach(async () => {
      const changed = await open.start(server.url, { profileOverrides });
      other = await open.connect(changed);
      const { ddl } = changed.dialect;
      await run(other, ...ddl.dropCollection("docs"), ...ddl.createCollection("docs"));
      await run(other, "TRUNCATE formdb_batches");
    });

    test("can be looked up, with what it did", async () => {
      const first = group("insert", { a: { n: 1 }, b: { n: 2 } }, "token-1");
      const second = group("insert", { b: { n: 3 }, c: { n: 4 } }, "token-2");
      await other.write(first);
      await other.write(second);
      expect(await other.lookUpToken(first)).toEqual({ missing: [], rejected: [] });
      expect(await other.lookUpToken(second)).toEqual({ missing: ["b"], rejected: [] });
      expect(await other.lookUpToken({ ...second, token: "token-3" })).toBeUndefined();
      expect(other.inTransaction).toBe(false);
    });

    test("is applied once, also when it is sent twice", async () => {
      const insert = group("insert", { a: { n: 1 } }, "token-1");
      expect(await other.write(insert)).toEqual({ missing: [], rejected: [] });
      expect(await other.write(insert)).toEqual({ missing: [], rejected: [] });
      const update = group("update", { a: { m: 1 } }, "token-2");
      await other.write(update);
      await other.write(update);
      const rows = await rowsOf(other, 'SELECT version FROM "docs"');
      expect(rows).toEqual([[2]]);
    });

    test("leaves no token where the group failed", async () => {
      await run(other, "ALTER TABLE \"docs\" ADD CONSTRAINT small CHECK ((doc->>'n')::int < 5)");
      const bad = group("insert", { a: { n: 1 }, b: { n: 7 } }, "token-1");
      expect(await failure(other.write(bad))).toMatchObject({
        code: "FORMDB_CONSTRAINT",
        sqlstate: "23514",
        constraint: "small",
        outcome: "rejected",
      });
      expect(other.inTransaction).toBe(false);
      expect(await other.lookUpToken(bad)).toBeUndefined();
    });

    test("forgets old tokens only", async () => {
      const insert = group("insert", { a: { n: 1 } }, "token-1");
      await other.write(insert);
      await other.pruneTokens(60_000);
      expect(await other.lookUpToken(insert)).toBeDefined();
      await other.execute(change("UPDATE formdb_batches SET created_at = created_at - 61000"), []);
      await other.pruneTokens(60_000);
      expect(await other.lookUpToken(insert)).toBeUndefined();
    });

    test("forgets the tokens of a journal's groups only after a month", async () => {
      const insert = group("insert", { a: { n: 1 } }, "spill:token-1");
      await other.write(insert);
      const age = async (ms: number): Promise<void> => {
        await other.execute(change(`UPDATE formdb_batches SET created_at = created_at - ${ms}`), []);
        await other.pruneTokens(60_000);
      };
      await age(29 * 24 * 60 * 60 * 1_000);
      expect(await other.lookUpToken(insert)).toBeDefined();
      await age(2 * 24 * 60 * 60 * 1_000);
      expect(await other.lookUpToken(insert)).toBeUndefined();
    });
  });

  test("inside a transaction is part of it", async () => {
    await connection.begin("repeatable read");
    await connection.write(group("insert", { a: {} }, "token-x"));
    await connection.rollback();
    expect(await stored()).toEqual({});
    expect(await connection.lookUpToken(group("insert", { a: {} }, "token-x"))).toBeUndefined();
  });

  test("never waits in a circle with another one, whatever their ids", async () => {
    const ids = Array.from({ length: 60 }, (_, i) => `k${String(i).padStart(2, "0")}`);
    await connection.write(group("insert", Object.fromEntries(ids.map((id) => [id, { n: 0 }]))));
    const writers = await Promise.all(Array.from({ length: 4 }, () => open.connect(backend)));
    await Promise.all(
      writers.map(async (writer, w) => {
        for (let i = 0; i < 25; i++) {
          const some = ids.filter((_, k) => (k * 7 + i + w) % 3 !== 0);
          await writer.write(
            group("update", Object.fromEntries(some.map((id) => [id, { n: i, [`w${w}`]: i }]))),
          );
        }
      }),
    );
    const rows = await rowsOf(connection, 'SELECT sum(version) FROM "docs"');
    expect(rows[0]![0]).toBeGreaterThan(60 * 50);
  });
});
