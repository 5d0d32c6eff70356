import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { LocalClient } from "../../../src/backend/sqlite/local-client.ts";
import { RowStream, STREAM_CHUNK_BYTES } from "../../../src/backend/sqlite/row-stream.ts";
import { SqliteSession } from "../../../src/backend/sqlite/session.ts";
import { sqliteBackend } from "../../../src/backend/sqlite/sqlite-backend.ts";
import { SqliteConnection } from "../../../src/backend/sqlite/sqlite-connection.ts";
import { ThreadChoice } from "../../../src/backend/sqlite/thread-choice.ts";
import { open } from "../../../src/engine/open.ts";
import { useFolder } from "../../support/hooks.ts";
import { never, statement } from "../../support/statements.ts";

const folder = useFolder();

const numbers = statement(
  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000) SELECT i FROM n",
);

describe.each([
  ["memory", "sqlite::memory:"],
  ["a file", `sqlite:${join(folder, "stream.db")}`],
])("a stream from SQLite in %s", (_place, url) => {
  it("leaves the connection free when its signal ends it", async () => {
    const backend = sqliteBackend(url);
    await backend.start(never);
    const connection = await backend.connect("write", never);
    const abort = new AbortController();
    const streamed = (async () => {
      for await (const _ of connection.stream(numbers, [], { signal: abort.signal })) abort.abort();
    })();
    await expect(streamed).rejects.toMatchObject({ code: "FORMDB_ABORTED" });
    // In a file the call that was given up may still go on in the worker, so the connection is replaced.
    const next = connection.usable ? connection : await backend.connect("write", never);
    await next.begin(undefined);
    await next.commit();
    await next.close();
    await connection.close();
    await backend.stop();
  });

  it("comes in chunks that are bounded in bytes", async () => {
    const backend = sqliteBackend(url);
    await backend.start(never);
    const connection = await backend.connect("read", never);
    const chunks: number[] = [];
    let rows = 0;
    const text =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 40) SELECT printf('%.*c', 500000, 'x') FROM n";
    for await (const chunk of connection.stream(statement(text), [])) {
      chunks.push(chunk.reduce((bytes, [value]) => bytes + (value as string).length, 0));
      rows += chunk.length;
    }
    expect(rows).toBe(40);
    expect(Math.max(...chunks)).toBeLessThan(STREAM_CHUNK_BYTES + 500_000);
    await connection.close();
    await backend.stop();
  });
});

describe("a chunk", () => {
  it("counts texts and bytes, and says whether the rows have ended", () => {
    const chunksOf = (rows: unknown[][]): number => {
      const stream = new RowStream(rows[Symbol.iterator]());
      let chunks = 1;
      while (!stream.next().done) chunks++;
      return chunks;
    };
    expect(chunksOf([])).toBe(1);
    expect(
      chunksOf([
        [1, null],
        ["a", 2],
      ]),
    ).toBe(1);
    expect(chunksOf([[new Uint8Array(STREAM_CHUNK_BYTES)], ["x"]])).toBe(2);
  });
});

it("a long result that is given up in memory leaves nothing of it in the session", async () => {
  const session = new SqliteSession({
    file: ":memory:",
    readOnly: false,
    durability: "normal",
    busyTimeoutMs: 0,
  });
  const open = vi.spyOn(session, "closeStream");
  const connection = new SqliteConnection(new LocalClient(session), new ThreadChoice(), session);
  const abort = new AbortController();
  const given = connection.execute({ ...numbers, raw: true }, [], { signal: abort.signal });
  abort.abort();
  await expect(given).rejects.toMatchObject({ code: "FORMDB_ABORTED" });
  expect(open).toHaveBeenCalledTimes(1);
  expect((await connection.execute({ ...numbers, raw: true }, [])).rows).toHaveLength(5_000);
  expect(open).toHaveBeenCalledTimes(1);
  session.close();
});

it("a row that can't be read fails its stream in memory, and no write beside it", async () => {
  await using db = await open("sqlite::memory:");
  await db.batchInsert(
    "c",
    Array.from({ length: 1_000 }, (_, n) => ({ id: `d${n}`, n })),
  );
  await db.sql("UPDATE c SET doc = x'ff' WHERE id = 'd900'");
  const stream = db.stream("SELECT n FROM c");
  await stream.next();
  expect(await db.insert("c", { id: "other" })).toBe("other");
  let rows = 1;
  const rest = (async () => {
    for await (const _ of stream) rows++;
  })();
  await expect(rest).rejects.toThrow("malformed JSON");
  expect(rows).toBeLessThan(1_000);
});
