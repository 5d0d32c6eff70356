import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { GroupWrite } from "../../../src/backend/backend.ts";
import { failureOf, sqliteError } from "../../../src/backend/sqlite/errors.ts";
import { SqliteSession } from "../../../src/backend/sqlite/session.ts";
import type { ExecuteRequest } from "../../../src/backend/sqlite/session-protocol.ts";
import { sqliteBackend } from "../../../src/backend/sqlite/sqlite-backend.ts";
import { MAX_GET_HERE } from "../../../src/backend/sqlite/sqlite-connection.ts";
import { WorkerClient } from "../../../src/backend/sqlite/worker-client.ts";
import { classify } from "../../../src/batch/classify.ts";
import { sqliteDialect } from "../../../src/dialect/sqlite/sqlite-dialect.ts";
import { useFolderEach } from "../../support/hooks.ts";
import { never, once, statement } from "../../support/statements.ts";

const { ddl } = sqliteDialect;

const folder = useFolderEach();

afterEach(() => vi.restoreAllMocks());

function session(durability: "full" | "normal" = "normal"): SqliteSession {
  const opened = new SqliteSession({
    file: join(folder(), "session.db"),
    readOnly: false,
    durability,
    busyTimeoutMs: 0,
  });
  opened.bootstrap([...ddl.bootstrap, ...ddl.createCollection("users")]);
  return opened;
}

function insert(id: string): GroupWrite {
  return { kind: "insert", collection: "users", ids: [id], json: ["{}"], token: undefined };
}

function request(text: string, facts: Partial<ExecuteRequest> = {}): ExecuteRequest {
  const plain = { do: "execute", values: [], keep: true, inTransaction: false, returnsRows: false } as const;
  return { ...plain, text, ...facts };
}

function refused(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return sqliteError("The write", failureOf(error), { cause: error });
  }
  return undefined;
}

describe("the log of a database in a file", () => {
  it.each([
    { durability: "full", pages: 8_000 },
    // The log is brought to the disk with each copying only, and a power cut must not take more with it than by SQLite's default.
    { durability: "normal", pages: 1_000 },
  ] as const)(
    "is copied into the file from $pages pages on with durability $durability",
    ({ durability, pages }) => {
      const opened = session(durability);
      const asked = request("PRAGMA wal_autocheckpoint", { returnsRows: true });
      expect(opened.execute(asked).rows).toEqual([[pages]]);
      opened.close();
    },
  );
});

describe("a session", () => {
  it("joins no transaction that its caller did not begin, and is of no more use", () => {
    const open = session();
    open.begin();
    const error = refused(() => open.write(insert("a"), false));
    expect(error).toMatchObject({ code: "FORMDB_CONNECTION_LOST", outcome: "rejected" });
    expect(classify(error)).toBe("transient");
    expect(sqliteBackend("sqlite::memory:").isFatal(error)).toBe(true);
    const update = request(`UPDATE "users" SET version = 2`);
    expect(refused(() => open.execute(update))).toMatchObject({ outcome: "rejected" });
    expect(refused(() => open.begin())).toMatchObject({ outcome: "rejected" });
    open.rollback();
    open.write(insert("a"), false);
    expect(open.get("users", "a")).toMatchObject({ id: "a" });
    open.close();
  });

  it("commits nothing by itself where its caller believes in a transaction", () => {
    const open = session();
    open.begin();
    open.write(insert("a"), true);
    // As SQLite does by itself when, for example, the disk is full.
    open.execute(request("ROLLBACK", { inTransaction: true }));
    expect(refused(() => open.write(insert("b"), true))).toMatchObject({
      code: "FORMDB_CONNECTION_LOST",
      outcome: "rejected",
    });
    const remove = request(`DELETE FROM "users"`, { inTransaction: true });
    expect(refused(() => open.execute(remove))).toMatchObject({ code: "FORMDB_CONNECTION_LOST" });
    expect(refused(() => open.commit())).toMatchObject({ code: "FORMDB_CONNECTION_LOST" });
    expect(open.getMany("users", ["a", "b"])).toEqual([]);
    open.close();
  });

  it("reads one document and many by the same rows, again and again", () => {
    const open = session();
    const select = request(`SELECT json(doc) FROM "users"`, { returnsRows: true });
    open.write(insert("a"), false);
    for (let i = 0; i < 3; i++) {
      expect(open.get("users", "a")).toMatchObject({ id: "a", json: "{}" });
      expect(open.get("users", "b")).toBeUndefined();
      expect(open.getMany("users", ["a", "b"])).toEqual([open.get("users", "a")]);
      expect(open.execute(select).rows).toEqual([["{}"]]);
    }
    open.close();
  });
});

describe("opening a SQLite file", () => {
  /** A file that somebody else writes to. */
  function locked(): { file: string; holder: Database.Database } {
    const file = join(folder(), "locked.db");
    const holder = new Database(file);
    holder.pragma("journal_mode = WAL");
    holder.exec("BEGIN IMMEDIATE; CREATE TABLE other (a)");
    return { file, holder };
  }

  it("fails where the file can't be brought into WAL mode", () => {
    const pragma = Database.prototype.pragma;
    vi.spyOn(Database.prototype, "pragma").mockImplementation(function (
      this: Database.Database,
      text,
      options,
    ) {
      return text.startsWith("journal_mode") ? "delete" : pragma.call(this, text, options);
    });
    expect(refused(session)).toMatchObject({
      code: "FORMDB_UNSUPPORTED",
      message: expect.stringContaining("WAL mode"),
    });
  });

  it("does not hold up the event loop while another process has the lock", async () => {
    const { file, holder } = locked();
    const backend = sqliteBackend(`sqlite:${file}`, { busyTimeoutMs: 20_000 });
    const started = backend.start(never);
    // Only a loop that turns gets here to let the lock go.
    await new Promise((resolve) => setTimeout(resolve, 20));
    holder.exec("COMMIT");
    await started;
    holder.close();
    await backend.stop();
  });

  it("ends with its signal, and tells of a lock that was not let go in time", async () => {
    const { file, holder } = locked();
    await expect(sqliteBackend(`sqlite:${file}`, { busyTimeoutMs: 10 }).start(never)).rejects.toMatchObject({
      code: "FORMDB_BUSY",
    });
    const abort = new AbortController();
    const started = sqliteBackend(`sqlite:${file}`, { busyTimeoutMs: 2_000 }).start(abort.signal);
    abort.abort();
    await expect(started).rejects.toMatchObject({ code: "FORMDB_ABORTED" });
    holder.close();
  });

  it("for reading only has no indexes where FormDB never wrote to it", async () => {
    const file = join(folder(), "foreign.db");
    const foreign = new Database(file);
    foreign.exec("CREATE TABLE orders (n INTEGER)");
    foreign.close();
    const backend = sqliteBackend(`sqlite:${file}?mode=ro`);
    await backend.start(never);
    const reader = await backend.connect("read", never);
    expect(await reader.execute(statement(ddl.listIndexes), [])).toMatchObject({ rows: [], rowCount: 0 });
    await reader.close();
    await backend.stop();
  });
});

describe("a connection for reading", () => {
  it("reads few documents on the caller's thread, and many in its worker", async () => {
    const backend = sqliteBackend(`sqlite:${join(folder(), "many.db")}`);
    await backend.start(never);
    const writer = await backend.connect("write", never);
    for (const text of ddl.createCollection("users")) {
      await writer.execute(once(text), []);
    }
    const ids = Array.from({ length: MAX_GET_HERE + 1 }, (_, i) => String(i).padStart(3, "0"));
    await writer.write({
      kind: "insert",
      collection: "users",
      ids,
      json: ids.map(() => "{}"),
      token: undefined,
    });
    const reader = await backend.connect("read", never);
    const requests = vi.spyOn(WorkerClient.prototype, "request");
    expect(await reader.getMany("users", ids.slice(1))).toHaveLength(MAX_GET_HERE);
    expect(requests).not.toHaveBeenCalled();
    expect(await reader.getMany("users", ids)).toHaveLength(MAX_GET_HERE + 1);
    expect(requests).toHaveBeenCalledTimes(1);
    await reader.close();
    await writer.close();
    await backend.stop();
  });
});

describe("an error of the disk", () => {
  it.each([
    // The log's index can't grow, which happens on a full disk alone.
    { code: "SQLITE_IOERR_SHMSIZE", writes: false, told: { code: "FORMDB_BUSY", retryable: true } },
    {
      code: "SQLITE_IOERR_SHMSIZE",
      writes: true,
      told: { code: "FORMDB_BUSY", retryable: false, outcome: "unknown" },
    },
    {
      code: "SQLITE_FULL",
      writes: true,
      told: { code: "FORMDB_BUSY", retryable: true, outcome: "rejected" },
    },
  ])("says whether to try again: $code, $writes", ({ code, writes, told }) => {
    const error = sqliteError("The write", { sqliteCode: code, message: "disk I/O error" }, { writes });
    expect(error).toMatchObject(told);
    expect(error.message).toContain("the disk is full");
  });
});
