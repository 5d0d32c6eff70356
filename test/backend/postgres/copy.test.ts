import { EventEmitter } from "node:events";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { GroupWrite } from "../../../src/backend/backend.ts";
import { CopyIn, encodeRows, encodeTextRows } from "../../../src/backend/postgres/copy-in.ts";
import type { PostgresBackend, PostgresConnection } from "../../../src/backend/postgres/postgres-backend.ts";
import type { Wire } from "../../../src/backend/postgres/wire.ts";
import { failure } from "../../support/failure.ts";
import { usePostgres } from "../../support/hooks.ts";
import { OpenBackends, rowsOf, run } from "../../support/postgres-backends.ts";
import { postgresVersions } from "../../support/postgres-server.ts";

/** Enough for `COPY`. */
const MANY = 600;
const open = new OpenBackends();

const numbered = (from: number, count = MANY): string[] =>
  Array.from({ length: count }, (_, i) => `k${String(from + i).padStart(6, "0")}`);

/** The fields of each row in `COPY`'s binary format, which comes in `CopyData` messages of whole rows. */
function rowsIn(messages: readonly Buffer[]): Buffer[][] {
  const rows: Buffer[][] = [];
  for (const [number, message] of messages.entries()) {
    expect(message.toString("latin1", 0, 1)).toBe("d");
    expect(message.readInt32BE(1)).toBe(message.length - 1);
    let at = 5;
    if (number === 0) {
      expect(message.toString("latin1", at, at + 19)).toBe(`PGCOPY\n\xff\r\n${"\0".repeat(9)}`);
      at += 19;
    }
    while (at < message.length) {
      const fields = message.readInt16BE(at);
      at += 2;
      if (fields === -1) {
        expect([number, at]).toEqual([messages.length - 1, message.length]);
        return rows;
      }
      rows.push(
        Array.from({ length: fields }, () => {
          const start = at + 4;
          at = start + message.readInt32BE(at);
          return message.subarray(start, at);
        }),
      );
    }
  }
  throw new Error("the rows have no end");
}

const asRow = ([id, doc, updatedAt]: Buffer[]): unknown[] => [
  String(id),
  doc![0],
  doc!.toString("utf8", 1),
  updatedAt!.readBigInt64BE(0),
];

describe("rows for COPY", () => {
  test("have an id, a document as jsonb of version 1, and the time", () => {
    const ids = ["a\tb\\", "c\nd\r", "é😀"];
    const json = ['{"t":"\\n\t"}', "{}", '{"t":"é😀"}'];
    const rows = rowsIn(encodeRows(ids, json, "1790000000123")).map(asRow);
    expect(rows).toEqual(ids.map((id, i) => [id, 1, json[i], 1_790_000_000_123n]));
  });

  test.each([
    ["short", "é and 😀"],
    ["longer than a message", "é and 😀".repeat(10_000)],
  ])("come in several messages, each of whole rows: %s documents", (_, text) => {
    const ids = numbered(0, text.length < 100 ? 3_000 : 3);
    const json = ids.map((id) => `{"of":"${id}, ${text}"}`);
    const messages = encodeRows(ids, json, 5);
    expect(messages.length).toBeGreaterThan(1);
    expect(rowsIn(messages).map(asRow)).toEqual(ids.map((id, i) => [id, 1, json[i], 5n]));
  });

  test("are none for no documents", () => {
    expect(rowsIn(encodeRows([], [], 5))).toEqual([]);
  });
});

describe("rows for COPY as text", () => {
  /** What is in `CopyData` messages. */
  const textsIn = (messages: readonly Buffer[]): string[] =>
    messages.map((message) => {
      expect([message.toString("latin1", 0, 1), message.readInt32BE(1)]).toEqual(["d", message.length - 1]);
      return message.toString("utf8", 5);
    });

  test("have their separators and escapes written as escapes", () => {
    const rows = textsIn(encodeTextRows(["a\tb\\", "c\nd\r"], ['{"t":"\\n"}', "{}"], 5));
    expect(rows.join("")).toBe('a\\tb\\\\\t{"t":"\\\\n"}\t5\nc\\nd\\r\t{}\t5\n');
  });

  test("come in several messages, each of whole rows", () => {
    const ids = numbered(0, 2_000);
    const json = ids.map((id) => `{"of":"${id}, é and 😀"}`);
    const texts = textsIn(encodeTextRows(ids, json, 5));
    expect(texts.length).toBeGreaterThan(1);
    for (const text of texts) expect(text).toMatch(/^k\d+\t.*\t5\n$/s);
    expect(texts.join("")).toBe(ids.map((id, i) => `${id}\t${json[i]}\t5\n`).join(""));
  });

  test("are none for no documents", () => {
    expect(encodeTextRows([], [], 5)).toEqual([]);
  });
});

describe("a statement and a COPY in one transaction", () => {
  /** Notes what is sent. */
  class FakeWire extends EventEmitter {
    readonly sent: string[] = [];
    readonly stream = {
      destroyed: false,
      writable: true,
      cork(): void {},
      uncork(): void {},
      write: (bytes: Buffer): void => {
        this.sent.push(`rows ${bytes}`);
      },
    };
    parse({ text, name }: { text: string; name: string }): void {
      this.sent.push(`parse ${name}: ${text}`);
    }
    bind({ statement, values }: { statement: string; values: readonly unknown[] }): void {
      this.sent.push(`bind ${[statement, ...values].join(" ")}`);
    }
    execute(): void {
      this.sent.push("execute");
    }
    flush(): void {
      this.sent.push("flush");
    }
    sync(): void {
      this.sent.push("sync");
    }
    sendCopyFail(): void {
      this.sent.push("copy fails");
    }
    endCopyFrom(): void {
      this.sent.push("end of rows");
    }
    take(): string[] {
      return this.sent.splice(0);
    }
  }

  function begin(parse: boolean): { wire: FakeWire; copy: CopyIn; asWire: Wire } {
    const wire = new FakeWire();
    const asWire = wire as unknown as Wire;
    const first = { text: "SELECT $1", values: ["a"], name: "first", parse };
    const copy = new CopyIn(first, "COPY t FROM STDIN", ([field]) => [Buffer.from(`1 ${field}`)]);
    copy.submit(asWire);
    return { wire, copy, asWire };
  }

  test("take two round trips: up to COPY, and the rows with COMMIT", async () => {
    const { wire, copy, asWire } = begin(true);
    const upToCopy = [
      "parse : BEGIN",
      "bind ",
      "execute",
      "parse first: SELECT $1",
      "bind first a",
      "execute",
    ];
    expect(wire.take()).toEqual([...upToCopy, "parse : COPY t FROM STDIN", "bind ", "execute", "flush"]);
    copy.takeRow(Buffer.from("\0\x01\0\0\0\x03now"), 0);
    expect(copy.isCommitting).toBe(false);
    copy.handleCopyInResponse(asWire);
    expect(copy.isCommitting).toBe(true);
    const rows = ["rows 1 now", "end of rows"];
    expect(wire.take()).toEqual([...rows, "parse : COMMIT", "bind ", "execute", "sync"]);
    copy.handleReadyForQuery();
    await copy.done;
  });

  test("do not parse a statement that the server has", () => {
    expect(begin(false).wire.take()).not.toContain("parse first: SELECT $1");
  });

  test("end with the error of rows that can't be made, which the server is told to give up", async () => {
    const wire = new FakeWire();
    const asWire = wire as unknown as Wire;
    const refusal = new Error("too long");
    const copy = new CopyIn(
      { text: "SELECT 1", values: [], name: "", parse: true },
      "COPY t FROM STDIN",
      () => {
        throw refusal;
      },
    );
    copy.submit(asWire);
    wire.take();
    const failed = failure(copy.done);
    copy.handleCopyInResponse(asWire);
    copy.handleError(new Error("COPY from stdin failed"), asWire);
    expect(wire.take()).toEqual(["copy fails", "sync"]);
    expect(copy.isCommitting).toBe(false);
    wire.emit("readyForQuery");
    expect(await failed).toBe(refusal);
  });

  test.each([
    ["before the rows", false, ["sync"]],
    ["after them, when the server has been told to go on", true, []],
  ])("end with an error %s when the server is ready again", async (_, afterRows, sent) => {
    const { wire, copy, asWire } = begin(true);
    if (afterRows) copy.handleCopyInResponse(asWire);
    wire.take();
    const refusal = new Error("refused");
    let ended = false;
    const failed = failure(copy.done).then((error) => {
      ended = true;
      return error;
    });
    copy.handleError(refusal, asWire);
    await new Promise(setImmediate);
    expect({ ended, sent: wire.take() }).toEqual({ ended: false, sent });
    wire.emit("readyForQuery");
    expect(await failed).toBe(refusal);
  });
});

describe.each(postgresVersions())("a large group of inserts on PostgreSQL (%s)", (version) => {
  const server = usePostgres({ version, settings: { log_statement: "all", log_min_messages: "log" } });
  let backend: PostgresBackend;
  let connection: PostgresConnection;
  let tokens = 0;

  beforeAll(async () => {
    backend = await open.start(await server.createDatabase());
  });
  beforeEach(async () => {
    connection = await open.connect(backend);
    const { ddl } = backend.dialect;
    await run(connection, ...ddl.dropCollection("docs"), ...ddl.createCollection("docs"));
  });

  function group(
    ids: readonly string[],
    json: (id: string) => string = (id) => `{"of":"${id}"}`,
  ): GroupWrite {
    const sorted = ids.toSorted();
    return {
      kind: "insert",
      collection: "docs",
      ids: sorted,
      json: sorted.map(json),
      token: `copy-${version}-${++tokens}`,
    };
  }

  async function count(): Promise<unknown> {
    return (await rowsOf(connection, 'SELECT count(*)::int FROM "docs"'))[0]![0];
  }

  const copies = (): number => server.log.split("COPY ").length - 1;

  test("is copied, and its documents are as those of any other insert", async () => {
    const before = copies();
    const strange = ["tab\there", "back\\slash", "line\nfeed", "\\.", "\\N", "é€😀", "quote\"s'"];
    const text = (id: string): string =>
      JSON.stringify({ id, path: "C:\\new\\table", text: "a\tb\nc\r\u2028" });
    expect(await connection.write(group([...numbered(0), ...strange], text))).toEqual({
      missing: [],
      rejected: [],
    });
    expect(copies()).toBe(before + 1);
    expect(connection.inTransaction).toBe(false);
    const rows = await rowsOf(
      connection,
      'SELECT id, doc::text, version, updated_at FROM "docs" WHERE id = ANY ($1)',
      [strange],
    );
    expect(rows.map(([id]) => id).toSorted()).toEqual(strange.toSorted());
    for (const [id, doc, documentVersion, updatedAt] of rows) {
      expect(JSON.parse(doc as string)).toEqual(JSON.parse(text(id as string)));
      expect(documentVersion).toBe(1);
      expect(Math.abs((updatedAt as number) - Date.now())).toBeLessThan(60_000);
    }
  });

  test("tells the ids that were taken, and inserts the others", async () => {
    await connection.write(group(["k000003"]));
    expect(await connection.write(group(numbered(0)))).toEqual({ missing: ["k000003"], rejected: [] });
    expect(await count()).toBe(MANY);
    expect(connection.inTransaction).toBe(false);
  });

  test("goes without COPY for a while after one was refused", async () => {
    await connection.write(group(numbered(0)));
    const before = copies();
    await connection.write(group(numbered(0)));
    for (let i = 1; i <= 16; i++) await connection.write(group(numbered(i * MANY)));
    expect(copies()).toBe(before + 1);
    await connection.write(group(numbered(17 * MANY)));
    expect(copies()).toBe(before + 2);
    expect(await count()).toBe(18 * MANY);
  });

  test("fails before its rows are sent where there is no such table, and the connection goes on", async () => {
    await run(connection, 'DROP TABLE "docs"');
    const lost = group(numbered(0));
    expect(await failure(connection.write(lost))).toMatchObject({ sqlstate: "42P01", outcome: "rejected" });
    expect(connection.inTransaction).toBe(false);
    expect(connection.usable).toBe(true);
    await run(connection, ...backend.dialect.ddl.createCollection("docs"));
    expect(await connection.write(lost)).toEqual({ missing: [], rejected: [] });
    expect(await count()).toBe(MANY);
  });

  test("fails as others do where the engine refuses a document", async () => {
    await run(connection, "ALTER TABLE \"docs\" ADD CONSTRAINT small CHECK (doc->>'of' <> 'k000007')");
    const error = await failure(connection.write(group(numbered(0))));
    expect(error).toMatchObject({ code: "FORMDB_CONSTRAINT", constraint: "small", outcome: "rejected" });
    expect(await count()).toBe(0);
    expect(connection.inTransaction).toBe(false);
  });

  test("is applied once when it is sent twice, and can be looked up", async () => {
    const once = group(numbered(0));
    expect(await connection.write(once)).toEqual({ missing: [], rejected: [] });
    expect(await connection.write(once)).toEqual({ missing: [], rejected: [] });
    expect(await connection.lookUpToken(once)).toEqual({ missing: [], rejected: [] });
    expect(await count()).toBe(MANY);
  });

  test("inside a transaction is no COPY, whose failure would end the transaction", async () => {
    const before = copies();
    await connection.begin(undefined);
    await connection.write(group(numbered(0)));
    await connection.commit();
    expect(copies()).toBe(before);
    expect(await count()).toBe(MANY);
  });
});
