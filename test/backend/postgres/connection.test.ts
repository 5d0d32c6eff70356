import { type AddressInfo, connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { beforeAll, describe, expect, test } from "vitest";
import type { PostgresBackend } from "../../../src/backend/postgres/postgres-backend.ts";
import type { PostgresConnection } from "../../../src/backend/postgres/postgres-connection.ts";
import type { EngineStatement } from "../../../src/base/engine-statement.ts";
import { failure } from "../../support/failure.ts";
import { usePostgres } from "../../support/hooks.ts";
import { OpenBackends, rowsOf, run } from "../../support/postgres-backends.ts";
import { postgresVersions } from "../../support/postgres-server.ts";
import { change, statement } from "../../support/statements.ts";

const open = new OpenBackends();

/** A proxy that hands on the texts of simple queries as `rewrite` gives them. */
async function rewriting(
  port: number,
  rewrite: (text: string) => string,
): Promise<{ readonly port: number } & Disposable> {
  const proxy = createServer((client) => {
    const server = connect(port, "127.0.0.1");
    server.on("data", (bytes) => client.write(bytes));
    client.on("data", (bytes) => {
      if (bytes[0] !== 0x51) return void server.write(bytes);
      const text = Buffer.from(`${rewrite(bytes.toString("utf8", 5, bytes.length - 1))}\0`);
      const head = Buffer.from([0x51, 0, 0, 0, 0]);
      head.writeInt32BE(text.length + 4, 1);
      server.write(Buffer.concat([head, text]));
    });
    for (const socket of [client, server]) {
      socket.on("error", () => {});
      socket.on("close", () => {
        client.destroy();
        server.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return { port: (proxy.address() as AddressInfo).port, [Symbol.dispose]: () => void proxy.close() };
}

/** How many statements the session has prepared. */
const COUNT = "SELECT count(*) FROM pg_prepared_statements";

describe.each(postgresVersions())("a connection to PostgreSQL (%s)", (version) => {
  const server = usePostgres({ version });
  let url: string;
  let backend: PostgresBackend;

  beforeAll(async () => {
    url = await server.createDatabase();
    backend = await open.start(url);
  });

  test("reads numbers as numbers and leaves documents as text", async () => {
    const connection = await open.connect(backend);
    const rows = await rowsOf(
      connection,
      "SELECT 7::int8, 2147483647::int4, 1.5::numeric, 'NaN'::float8, true, NULL, '{\"a\": 1}'::jsonb, 'é😀'::text, 9007199254740993::int8",
    );
    expect(rows).toEqual([
      [7, 2147483647, 1.5, Number.NaN, true, null, '{"a": 1}', "é😀", "9007199254740993"],
    ]);
  });

  test("reads rows that are larger than what a socket gives at once, on several connections together", async () => {
    const letters = ["a", "é", "😀"];
    const rows = await Promise.all(
      letters.map(async (letter) => {
        const connection = await open.connect(backend);
        const text = `SELECT repeat('${letter}', n * 40000), n FROM generate_series(0, 4) AS n`;
        return (await connection.execute(statement(text), [])).rows;
      }),
    );
    const expected = letters.map((letter) =>
      Array.from({ length: 5 }, (_, n) => [letter.repeat(n * 40_000), n]),
    );
    expect(rows).toEqual(expected);
  });

  test("sends every kind of value", async () => {
    const connection = await open.connect(backend);
    const rows = await rowsOf(
      connection,
      "SELECT $1::text, $2::numeric, $3::boolean, $4::text, $5::jsonb, $6::text[], $7::bytea",
      [
        "quote ' \" \\",
        1e21,
        false,
        undefined,
        { a: [1] },
        ['a"b', "c\\d", null, "{,}"],
        Buffer.from([1, 2]),
      ],
    );
    expect(rows).toEqual([
      ["quote ' \" \\", 1e21, false, null, '{"a": [1]}', '{"a\\"b","c\\\\d",NULL,"{,}"}', "\\x0102"],
    ]);
  });

  test.each([
    [
      "a write",
      (begin: EngineStatement, c: PostgresConnection) => c.execute({ ...begin, returnsRows: false }),
    ],
    ["a read", (begin: EngineStatement, c: PostgresConnection) => c.execute(begin)],
    [
      "reads together",
      (begin: EngineStatement, c: PostgresConnection) =>
        c.executeTogether([{ statement: begin, values: [] }]),
    ],
  ])(
    "is given up, and %s rejected, where that leaves a transaction open, as some poolers do",
    async (_, call) => {
      const connection = await open.connect(backend);
      const error = await failure(Promise.resolve(call(statement("BEGIN"), connection)));
      expect(error).toMatchObject({ code: "FORMDB_UNSUPPORTED", outcome: "rejected", retryable: false });
      expect(connection.usable).toBe(false);
    },
  );

  test("is in no transaction of which only the beginning went well", async () => {
    using pooler = await rewriting(Number(new URL(url).port), (text) =>
      text.includes("SET LOCAL") ? "BEGIN; SELECT 1 / 0" : text,
    );
    const behind = await open.start(Object.assign(new URL(url), { port: String(pooler.port) }).href);
    const connection = await open.connect(behind);
    expect(await failure(connection.begin("serializable"))).toMatchObject({ sqlstate: "22012" });
    expect(connection.inTransaction).toBe(false);
    expect(await rowsOf(connection, "SELECT 5")).toEqual([[5]]);
  });

  test("has the isolation that was asked for, where a pooler begins with less, or refuses", async () => {
    for (const [passes, found] of [
      [/never/, undefined],
      [/^SET TRANSACTION/, "FORMDB_UNSUPPORTED"],
    ] as const) {
      using pooler = await rewriting(Number(new URL(url).port), (text) => {
        if (text.startsWith("BEGIN")) return "BEGIN";
        return passes.test(text) ? "SHOW transaction_isolation" : text;
      });
      const behind = await open.start(Object.assign(new URL(url), { port: String(pooler.port) }).href);
      const connection = await open.connect(behind);
      const begun = connection.begin("serializable").then(
        () => undefined,
        (error) => error.code,
      );
      expect(await begun).toBe(found);
      expect(connection.inTransaction).toBe(found === undefined);
      if (found === undefined)
        expect(await rowsOf(connection, "SHOW transaction_isolation")).toEqual([["serializable"]]);
    }
  });

  test("goes on where a parser of the application's own can't read a value", async () => {
    const connection = await open.connect(backend);
    const { UUID } = pg.types.builtins;
    const parse = pg.types.getTypeParser(UUID, "text");
    pg.types.setTypeParser(UUID, () => {
      throw new Error("no UUID");
    });
    try {
      const read = statement("SELECT gen_random_uuid() FROM generate_series(1, 2)", { raw: true });
      const error = await failure(connection.execute(read, []));
      expect(error).toMatchObject({ code: "FORMDB_ENGINE", message: expect.stringContaining("no UUID") });
      const written = await failure(connection.execute({ ...read, returnsRows: false }, []));
      expect(written).toMatchObject({ code: "FORMDB_ENGINE", outcome: "unknown" });
      await connection.begin(undefined);
      const inside = await failure(connection.execute({ ...read, returnsRows: false }, []));
      expect(inside).toMatchObject({ code: "FORMDB_ENGINE", outcome: "rejected" });
      await connection.rollback();
    } finally {
      pg.types.setTypeParser(UUID, parse);
    }
    expect(await rowsOf(connection, "SELECT 5")).toEqual([[5]]);
  });

  test("on a server that is only slow to answer is left alone", async () => {
    const patient = await open.start(url, { silenceMs: 50 });
    const connection = await open.connect(patient);
    const rows = await rowsOf(connection, "SELECT pg_sleep(0.6)::text, 7");
    expect(rows).toEqual([["", 7]]);
  });

  test("counts rows as the server's tags do", async () => {
    const connection = await open.connect(backend);
    await run(connection, "DROP TABLE IF EXISTS counted; CREATE TABLE counted (n int)");
    const counts: number[] = [];
    for (const text of [
      "INSERT INTO counted SELECT generate_series(1, 12)",
      "UPDATE counted SET n = n + 1 WHERE n > 10",
      "DELETE FROM counted WHERE n < 4",
      "SELECT * FROM counted",
      "TRUNCATE counted",
    ]) {
      counts.push((await connection.execute(change(text), [])).rowCount);
    }
    expect(counts).toEqual([12, 2, 3, 9, 0]);
  });

  test("keeps as many statements prepared as it may, on both sides", async () => {
    const limited = await open.start(url, { statementCacheSize: 3 });
    const connection = await open.connect(limited);
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 10; i++) {
        expect(await rowsOf(connection, `SELECT ${i}`)).toEqual([[i]]);
      }
    }
    expect(connection.preparedStatements).toBe(3);
    expect(connection.hasPrepared(statement("SELECT 9").name)).toBe(true);
    expect(connection.hasPrepared(statement("SELECT 1").name)).toBe(false);
    // The last one pushed out is closed by the very call that counts.
    expect(await run(connection, COUNT)).toEqual([[3]]);
  });

  test("prepares nothing behind a PgBouncer", async () => {
    const pooled = await open.start(url, { pgbouncer: true });
    const connection = await open.connect(pooled);
    for (let i = 0; i < 3; i++) expect(await rowsOf(connection, "SELECT $1::int", [i])).toEqual([[i]]);
    expect(await run(connection, COUNT)).toEqual([[0]]);
  });

  test("prepares a statement again when its table changed under it", async () => {
    const connection = await open.connect(backend);
    await run(connection, "DROP TABLE IF EXISTS changing; CREATE TABLE changing (a int)");
    const all = statement("SELECT * FROM changing");
    await run(connection, "INSERT INTO changing VALUES (1)");
    expect((await connection.execute(all, [])).rows).toEqual([[1]]);
    await run(connection, "ALTER TABLE changing ADD COLUMN b text DEFAULT 'new'");
    expect((await connection.execute(all, [])).rows).toEqual([[1, "new"]]);
    expect((await connection.execute(all, [])).rows).toEqual([[1, "new"]]);
  });

  test("says that a statement is stale where a transaction keeps it from preparing again", async () => {
    const connection = await open.connect(backend);
    await run(connection, "DROP TABLE IF EXISTS changing2; CREATE TABLE changing2 (a int)");
    const all = statement("SELECT * FROM changing2");
    await connection.execute(all, []);
    await connection.begin(undefined);
    await run(connection, "ALTER TABLE changing2 ADD COLUMN b text");
    const error = await failure(connection.execute(all, []));
    expect(error).toMatchObject({ code: "FORMDB_STALE_PLAN", sqlstate: "0A000", retryable: true });
    await connection.rollback();
    expect((await connection.execute(all, [])).rows).toEqual([]);
  });

  test("goes on without prepared statements when someone in between loses them", async () => {
    const apart = await open.start(url);
    const connection = await open.connect(apart);
    const text = statement("SELECT 'kept'");
    await connection.execute(text, []);
    await run(connection, "DEALLOCATE ALL");
    expect((await connection.execute(text, [])).rows).toEqual([["kept"]]);
    expect((await connection.execute(text, [])).rows).toEqual([["kept"]]);
    expect(await run(connection, COUNT)).toEqual([[0]]);
  });

  test("can use a statement again whose first use failed", async () => {
    const connection = await open.connect(backend);
    const divide = statement("SELECT 10 / $1::int");
    expect(await failure(connection.execute(divide, [0]))).toMatchObject({ sqlstate: "22012" });
    expect((await connection.execute(divide, [5])).rows).toEqual([[2]]);
    expect(await failure(connection.execute(divide, [0]))).toMatchObject({ sqlstate: "22012" });
    expect((await connection.execute(divide, [2])).rows).toEqual([[5]]);
  });

  test("tells a commit that was none", async () => {
    const connection = await open.connect(backend);
    await connection.begin("serializable");
    await failure(connection.execute(statement("SELECT 1 / 0"), []));
    expect(await failure(connection.commit())).toMatchObject({ code: "FORMDB_ENGINE", outcome: "rejected" });
    expect(connection.inTransaction).toBe(false);
  });

  test("runs one call at a time", async () => {
    const connection = await open.connect(backend);
    const first = connection.execute(statement("SELECT 1"), []);
    expect(await failure(connection.execute(statement("SELECT 2"), []))).toMatchObject({
      code: "FORMDB_ENGINE",
    });
    expect((await first).rows).toEqual([[1]]);
  });

  test("gives sessions their name, and turns off what compiles statements", async () => {
    const named = await open.start(url, { applicationName: "billing", statementTimeoutMs: 12_345 });
    const connection = await open.connect(named);
    const rows = await run(
      connection,
      "SELECT current_setting('application_name'), current_setting('statement_timeout'), current_setting('jit')",
    );
    expect(rows).toEqual([["billing", "12345ms", "off"]]);
  });

  describe("that is cancelled", () => {
    const sleep = statement("SELECT pg_sleep(30)");

    const running = (): Promise<number> => server.sessions("query ~ 'pg_sleep\\(30' AND state = 'active'");

    test("by its time ends the statement on the server too", async () => {
      const connection = await open.connect(backend);
      const error = await failure(connection.execute(sleep, [], { timeoutMs: 60 }));
      expect(error).toMatchObject({ code: "FORMDB_TIMEOUT", timeoutMs: 60 });
      expect(await running()).toBe(0);
      expect(await rowsOf(connection, "SELECT 5")).toEqual([[5]]);
    });

    test("by its signal says so, with the reason", async () => {
      const connection = await open.connect(backend);
      const controller = new AbortController();
      const call = failure(connection.execute(sleep, [], { signal: controller.signal }));
      while ((await running()) === 0);
      controller.abort(new Error("the user left"));
      const error = await call;
      expect(error).toMatchObject({ code: "FORMDB_ABORTED" });
      expect((error.cause as Error).message).toBe("the user left");
      expect(await running()).toBe(0);
      expect(connection.usable).toBe(true);
    });

    test("before it began is not sent at all", async () => {
      const connection = await open.connect(backend);
      const error = await failure(connection.execute(sleep, [], { signal: AbortSignal.abort() }));
      expect(error).toMatchObject({ code: "FORMDB_ABORTED" });
      expect(await rowsOf(connection, "SELECT 6")).toEqual([[6]]);
    });

    test("never hits the next statement", async () => {
      const connection = await open.connect(backend);
      for (let i = 0; i < 40; i++) {
        const short = connection.execute(statement("SELECT pg_sleep(0.002)"), [], { timeoutMs: 2 });
        await short.catch((error) => expect(error).toMatchObject({ code: "FORMDB_TIMEOUT" }));
        expect(await rowsOf(connection, "SELECT $1::int", [i])).toEqual([[i]]);
      }
    });

    test("by its signal tells of a change that it was not applied", async () => {
      const connection = await open.connect(backend);
      const call = connection.execute(change("SELECT pg_sleep(30)"), [], { signal: AbortSignal.timeout(50) });
      expect(await failure(call)).toMatchObject({ code: "FORMDB_ABORTED", outcome: "rejected" });
    });

    test.each([
      ["a write is unknown", false, "unknown"],
      ["a part of a transaction is that of the transaction: rejected", true, "rejected"],
    ] as const)(
      "is closed when the server takes no notice, and the outcome of %s",
      async (_, inTransaction, outcome) => {
        const hasty = await open.start(url, { cancelTimeoutMs: 20 });
        const connection = await open.connect(hasty);
        const deaf =
          "DO $$ BEGIN FOR i IN 1..3 LOOP BEGIN PERFORM pg_sleep(20); " +
          "EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$";
        if (inTransaction) await connection.begin(undefined);
        const error = await failure(connection.execute(change(deaf), [], { timeoutMs: 30 }));
        expect(error).toMatchObject({ code: "FORMDB_TIMEOUT", outcome });
        expect(hasty.isFatal(error)).toBe(true);
        expect(connection.usable).toBe(false);
      },
    );
  });

  describe("that streams", () => {
    const many = statement("SELECT g, repeat('x', 1000) FROM generate_series(1, 60000) g");

    test("gives every row once, in chunks of a bounded size", async () => {
      const connection = await open.connect(backend);
      let next = 1;
      let largest = 0;
      for await (const chunk of connection.stream(many, [])) {
        largest = Math.max(largest, chunk.length);
        for (const [n] of chunk) expect(n).toBe(next++);
      }
      expect(next).toBe(60_001);
      expect(largest).toBeLessThan(600);
    });

    test("asks for few rows at a time where rows are large", async () => {
      const connection = await open.connect(backend);
      const large = statement("SELECT repeat('y', 100000) FROM generate_series(1, 500) g");
      const sizes: number[] = [];
      for await (const chunk of connection.stream(large, [])) sizes.push(chunk.length);
      const [first, ...others] = sizes;
      expect(first).toBeLessThanOrEqual(64);
      expect(Math.max(...others)).toBeLessThanOrEqual(3);
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(500);
    });

    test("frees the connection when reading ends early", async () => {
      const connection = await open.connect(backend);
      for await (const _ of connection.stream(many, [])) break;
      expect(await rowsOf(connection, "SELECT 7")).toEqual([[7]]);
      expect(connection.inTransaction).toBe(false);
    });

    test("reports an error in the middle, and goes on", async () => {
      const connection = await open.connect(backend);
      let rows = 0;
      const reading = async (): Promise<void> => {
        for await (const chunk of connection.stream(
          statement("SELECT 1 / (5000 - g) FROM generate_series(1, 9000) g"),
          [],
        )) {
          rows += chunk.length;
        }
      };
      expect(await failure(reading())).toMatchObject({ sqlstate: "22012" });
      expect(rows).toBeGreaterThan(0);
      expect(rows).toBeLessThan(5000);
      expect(await rowsOf(connection, "SELECT 8")).toEqual([[8]]);
    });

    test("ends by its signal between two chunks and within one", async () => {
      const connection = await open.connect(backend);
      const controller = new AbortController();
      const reading = async (text: string, abort: (n: number) => void): Promise<void> => {
        let n = 0;
        for await (const _ of connection.stream(statement(text), [], { signal: controller.signal }))
          abort(n++);
      };
      const error = await failure(reading(many.text, (n) => n === 2 && controller.abort()));
      expect(error).toMatchObject({ code: "FORMDB_ABORTED" });
      expect(await rowsOf(connection, "SELECT 9")).toEqual([[9]]);
      const slow = failure(
        (async () => {
          for await (const _ of connection.stream(statement("SELECT pg_sleep(30)"), [], { timeoutMs: 50 }));
        })(),
      );
      expect(await slow).toMatchObject({ code: "FORMDB_TIMEOUT" });
      expect(connection.usable).toBe(true);
    });

    test("stays of use if the stream's signal fires while its caller works on a row", async () => {
      const connection = await open.connect(await open.start(url, { cancelTimeoutMs: 50 }));
      const controller = new AbortController();
      const rows = connection.stream(many, [], { signal: controller.signal });
      await rows.next();
      controller.abort();
      await sleep(200);
      expect(await failure(rows.next())).toMatchObject({ code: "FORMDB_ABORTED" });
      expect([connection.usable, await connection.ping()]).toEqual([true, true]);
    });

    test("runs inside a transaction and leaves it open", async () => {
      const connection = await open.connect(backend);
      await connection.begin(undefined);
      for await (const _ of connection.stream(many, [])) break;
      expect(connection.inTransaction).toBe(true);
      expect(await rowsOf(connection, "SELECT 10")).toEqual([[10]]);
      await connection.commit();
    });
  });
});
