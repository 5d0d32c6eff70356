import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { postgresBackend } from "../../../src/backend/postgres/postgres-backend.ts";
import { open } from "../../../src/engine/open.ts";
import { describeConformance } from "../../conformance.ts";
import { failure } from "../../support/failure.ts";
import { usePostgres } from "../../support/hooks.ts";
import { OpenBackends, rowsOf } from "../../support/postgres-backends.ts";
import { findPgBouncer, PgBouncer } from "../../support/postgres-bouncer.ts";
import { expectHonest, versions, WriteLedger } from "../../support/postgres-ledger.ts";
import { startPostgres } from "../../support/postgres-server.ts";
import { never, statement } from "../../support/statements.ts";

const backends = new OpenBackends();
const program = findPgBouncer();
/** Far fewer than the pool has connections, so that sessions go from hand to hand. */
const SESSIONS = 3;
const CALLERS = 20;
const WRITES = Number(process.env.FORMDB_TEST_BOUNCER_WRITES ?? 400);

test("without PgBouncer a server's sessions are known as one's own", async () => {
  await using server = await startPostgres();
  expect((await backends.start(server.url)).pooled).toBe(false);
});

describe.runIf(program !== undefined)("behind PgBouncer in transaction mode", () => {
  const server = usePostgres();
  let bouncer: PgBouncer;

  beforeAll(async () => {
    bouncer = await PgBouncer.start(program!, server, SESSIONS);
  });
  afterAll(() => bouncer?.remove());

  test("it is found out, unless the URL says otherwise", async () => {
    const url = bouncer.urlOf("postgres");
    for (const [search, pooled] of [
      ["", true],
      ["?pgbouncer=true", true],
      ["?pgbouncer=false", false],
    ] as const) {
      expect((await backends.start(url + search)).pooled).toBe(pooled);
    }
  });

  test("settings of a session are refused in transaction mode, and reach no other caller's session", async () => {
    const url = `${bouncer.urlOf("postgres")}?options=-c%20search_path%3Delsewhere`;
    expect(await failure(postgresBackend(url).start(never))).toMatchObject({
      code: "FORMDB_CONFIG",
      retryable: false,
    });
    expect(() => postgresBackend(`${url}&pgbouncer=true`)).toThrow(/options must be left out with pgbouncer/);
    for (let i = 0; i < 2 * SESSIONS; i++) {
      const connection = await backends.connect(postgresBackend(bouncer.urlOf("postgres")));
      const rows = await rowsOf(connection, "SELECT current_setting('search_path')");
      expect(rows).toEqual([['"$user", public']]);
      await connection.close();
    }
  });

  describe.each(["", "?pgbouncer=true"])("with the URL's parameters %j", (search) => {
    describeConformance("PgBouncer", () => open(bouncer.urlOf("postgres") + search));

    test("many callers share a few sessions, and every write is there once", async () => {
      const collection = search === "" ? "found" : "said";
      const db = await open(bouncer.urlOf("postgres") + search);
      await db.createCollection("counters");
      const ledger = new WriteLedger();
      const writers = Array.from({ length: CALLERS }, () => ledger.write(db, collection));
      const transactions = Array.from({ length: CALLERS }, async (_, caller) => {
        for (let i = 0; i < 10; i++) {
          await db.transaction(async (tx) => {
            await tx.upsert("counters", { id: String(caller), n: i });
            const { rows } = await tx.query("SELECT n FROM counters WHERE id = $1", [String(caller)]);
            expect(rows).toEqual([{ n: i }]);
          });
          let seen = 0;
          for await (const { n } of db.stream("SELECT n FROM counters")) {
            expect(n).toBeLessThan(10);
            seen++;
          }
          expect(seen).toBeGreaterThan(0);
        }
      });
      await Promise.all(transactions);
      await ledger.acknowledgedMore(WRITES);
      ledger.stop();
      await Promise.all(writers);
      expect(ledger.unknown.size + ledger.rejected.size).toBe(0);
      expectHonest(ledger, await versions(server, collection));
      expect(await db.close()).toMatchObject({ undelivered: [] });
    });

    test("a call that is cancelled ends, and no other does", async () => {
      const backend = await backends.start(bouncer.urlOf("postgres") + search);
      const connections = await Promise.all(
        Array.from({ length: SESSIONS + 2 }, () => backends.connect(backend)),
      );
      const [slow, ...others] = connections;
      const sleeping = failure(slow!.execute(statement("SELECT pg_sleep(60)"), [], { timeoutMs: 100 }));
      const beside = others.map(async (connection) => {
        for (let i = 0; i < 50; i++) {
          expect(await rowsOf(connection, "SELECT $1::int", [i])).toEqual([[i]]);
        }
      });
      expect(await sleeping).toMatchObject({ code: "FORMDB_TIMEOUT" });
      await Promise.all(beside);
      expect(await rowsOf(slow!, "SELECT 7")).toEqual([[7]]);
    });
  });
});

describe.runIf(program !== undefined)("behind PgBouncer in session mode", () => {
  test("pgbouncer=false keeps statements, and settings that the pooler refuses at the start are made afterwards", async () => {
    await using server = await startPostgres();
    await using bouncer = await PgBouncer.start(program!, server, SESSIONS, "session");
    const url = `${bouncer.urlOf("postgres")}?pgbouncer=false&statement_timeout=4321&options=-c%20search_path%3Dapp%2C%5C%20public`;
    const connection = await backends.connect(await backends.start(url));
    const rows = await rowsOf(
      connection,
      "SELECT current_setting('jit'), current_setting('statement_timeout'), current_setting('search_path')",
    );
    expect(rows).toEqual([["off", "4321ms", "app, public"]]);
    expect(connection.preparedStatements).toBe(1);
  });
});
