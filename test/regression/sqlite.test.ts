import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, describe, expect, it, vi } from "vitest";
import { RowStream } from "../../src/backend/sqlite/row-stream.ts";
import { FormDBError } from "../../src/base/errors.ts";
import { engineOf, type FormDB } from "../../src/engine/form-db.ts";
import { open } from "../../src/index.ts";
import { useFolderEach } from "../support/hooks.ts";

const folder = useFolderEach();
let opened: FormDB[] = [];

afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(opened.map((db) => db.close({ deadlineMs: 0 })));
  opened = [];
});

async function opening(...call: Parameters<typeof open>): Promise<FormDB> {
  const db = await open(...call);
  opened.push(db);
  return db;
}

function place(kind: string): string {
  return kind === "memory" ? "sqlite::memory:" : `sqlite:${join(folder(), "test.db")}`;
}

async function failure(work: Promise<unknown>): Promise<FormDBError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(FormDBError);
  return error as FormDBError;
}

function documents(count: number): { id: string; n: number }[] {
  return Array.from({ length: count }, (_, n) => ({ id: String(n).padStart(6, "0"), n }));
}

describe.each([["memory"], ["a file"]])("calls on SQLite in %s that are answered at once", (kind) => {
  it("let the event loop turn: a timer fires in a loop of awaited reads", async () => {
    const db = await opening(place(kind));
    await db.insert("c", { id: "x" });
    let fired = false;
    setTimeout(() => {
      fired = true;
    }, 5);
    while (!fired) await db.get("c", "x");
    expect(fired).toBe(true);
    fired = false;
    setTimeout(() => {
      fired = true;
    }, 5);
    while (!fired) await db.query("SELECT * FROM c WHERE id = $1", ["x"]);
    expect(fired).toBe(true);
  });

  it("let the event loop turn while a long result is decoded", async () => {
    const db = await opening(place(kind));
    await db.import("c", documents(100_000));
    let turns = 0;
    let reading = true;
    const count = (): void => {
      turns++;
      if (reading) setImmediate(count);
    };
    setImmediate(count);
    const { rows } = await db.query("SELECT * FROM c ORDER BY id");
    reading = false;
    expect(rows).toHaveLength(100_000);
    expect(rows[99_999]).toEqual({ id: "099999", n: 99_999 });
    // How many depends on the machine's speed; without turns there is none until the rows are there.
    expect(turns).toBeGreaterThan(1);
  });
});

describe("a database in memory", () => {
  it("lets a signal end an import", async () => {
    const db = await opening("sqlite::memory:");
    function* endless(): Generator<{ n: number }> {
      for (let n = 0; ; n++) yield { n };
    }
    const imported = await db.import("c", endless(), { signal: AbortSignal.timeout(50) });
    expect(imported.aborted).toBe(true);
    expect((await db.query("SELECT COUNT(*) AS n FROM c")).rows).toEqual([{ n: imported.successful }]);
  });

  it("ends a query between rows when its time is over", async () => {
    const db = await opening("sqlite::memory:");
    await db.import("c", documents(20_000));
    const { next } = RowStream.prototype;
    vi.spyOn(RowStream.prototype, "next").mockImplementation(function (this: RowStream) {
      vi.spyOn(performance, "now").mockReturnValue(performance.now() + 60_000);
      return next.call(this);
    });
    const error = await failure(db.query("SELECT * FROM c", [], { timeoutMs: 30_000 }));
    expect(error.code).toBe("FORMDB_TIMEOUT");
    vi.restoreAllMocks();
    expect((await db.query("SELECT * FROM c")).rowCount).toBe(20_000);
  });

  it("streams without taking all rows, and the caller may use the database in the loop", async () => {
    const db = await opening("sqlite::memory:");
    await db.import("c", documents(3_000));
    const next = vi.spyOn(RowStream.prototype, "next");
    const seen: unknown[] = [];
    for await (const row of db.stream("SELECT * FROM c ORDER BY id")) {
      if (seen.length === 0) expect(next).toHaveBeenCalledTimes(1);
      const id = row.id as string;
      seen.push(id);
      if (id !== "002000") expect(await db.get("c", id)).toEqual(row);
      // Neither what is changed nor what is added later is a part of the stream.
      if (row.n === 1_000) await db.delete("c", "002000");
      if (row.n === 1_001) await db.transaction((tx) => tx.insert("c", { id: "999999", n: -1 }));
    }
    expect(seen).toEqual(documents(3_000).map(({ id }) => id));
    expect((await db.query("SELECT COUNT(*) AS n FROM c")).rows).toEqual([{ n: 3_000 }]);
  });

  it("runs two streams at once, and one that is left early frees what it has", async () => {
    const db = await opening("sqlite::memory:");
    await db.import("c", documents(2_000));
    let pairs = 0;
    for await (const outer of db.stream("SELECT * FROM c WHERE n < 3 ORDER BY id")) {
      for await (const inner of db.stream("SELECT * FROM c ORDER BY id DESC")) {
        expect(inner.n).toBe(1_999);
        expect(outer.n).toBe(pairs);
        pairs++;
        break;
      }
    }
    expect(pairs).toBe(3);
    expect(await db.dropCollection("c")).toBe(true);
  });
});

describe.each([["memory"], ["a file"]])("a stream from SQLite in %s", (kind) => {
  const text = "SELECT * FROM c ORDER BY id";

  it("obeys its signal and its time between rows", async () => {
    const db = await opening(place(kind));
    await db.import("c", documents(1_000));
    const abort = new AbortController();
    let rows = 0;
    const aborted = async (): Promise<void> => {
      for await (const _ of db.stream(text, [], { signal: abort.signal })) if (++rows === 7) abort.abort();
    };
    expect((await failure(aborted())).code).toBe("FORMDB_ABORTED");
    expect(rows).toBe(7);
    rows = 0;
    const late = async (): Promise<void> => {
      for await (const _ of db.stream(text, [], { timeoutMs: 1_000 })) {
        if (++rows === 7) vi.spyOn(performance, "now").mockReturnValue(performance.now() + 5_000);
      }
    };
    expect((await failure(late())).code).toBe("FORMDB_TIMEOUT");
    expect(rows).toBe(7);
  });

  it("is waited for by close(), and cut as closed after the deadline", async () => {
    const first = await opening(place(kind));
    await first.import("c", documents(1_200));
    let rows = 0;
    let closed: Promise<unknown> | undefined;
    for await (const _ of first.stream(text)) if (++rows === 1) closed = first.close();
    expect(rows).toBe(1_200);
    await closed;
    const second = await opening(place(kind));
    await second.batchUpsert("c", documents(1_200));
    rows = 0;
    const cut = async (): Promise<void> => {
      for await (const _ of second.stream(text)) if (++rows === 1) await second.close({ deadlineMs: 10 });
    };
    expect(await failure(cut())).toMatchObject({ code: "FORMDB_CLOSED" });
    expect(rows).toBeLessThan(1_200);
  });
});

describe("a SQLite file that is taken away while it is open", () => {
  const gone = { outcome: "rejected", retryable: false, message: expect.stringMatching(/while it was open/) };

  it.each([
    ["deleted", (file: string) => rmSync(file)],
    ["moved", (file: string) => renameSync(file, `${file}.old`)],
    [
      "replaced",
      (file: string) => {
        const other = new Database(`${file}.new`);
        other.exec("CREATE TABLE t (a)");
        other.close();
        renameSync(`${file}.new`, file);
      },
    ],
  ])("and %s takes no more writes", async (how, takeAway) => {
    const file = join(folder(), "test.db");
    const db = await opening(`sqlite:${file}`);
    await db.insert("c", { id: "1" });
    takeAway(file);
    expect(await failure(db.transaction((tx) => tx.insert("c", { id: "2" })))).toMatchObject(gone);
    const inserted = await failure(db.insert("c", { id: "3" }));
    expect(inserted.message).toMatch(/while it was open/);
    expect(inserted.retryable).toBe(false);
    expect((await failure(db.query("UPDATE c SET n = 1"))).message).toMatch(/while it was open/);
    // No second database was begun at the path.
    expect(existsSync(file)).toBe(how === "replaced");
  });

  it.each([
    ["its log alone", ["-wal"]],
    ["its log and the log's index", ["-wal", "-shm"]],
  ])(
    "takes no more writes without %s, and has what was acknowledged when it is opened again",
    async (_, names) => {
      const url = `sqlite:${join(folder(), "test.db")}`;
      const db = await opening(url);
      for (let n = 1; n <= 100; n++) await db.insert("c", { id: String(n) });
      expect((await db.query("SELECT COUNT(*) AS n FROM c")).rows).toEqual([{ n: 100 }]);
      for (const name of names) rmSync(join(folder(), `test.db${name}`));
      expect(await failure(db.query("UPDATE c SET n = 1 WHERE id = '1'"))).toMatchObject({
        outcome: "unknown",
        message: expect.stringMatching(/its log \(-wal\) was deleted or moved while it was open/),
      });
      for (const id of ["101", "102"]) {
        expect(await failure(db.insert("c", { id }))).toMatchObject({
          ...gone,
          code: "FORMDB_CONNECTION_LOST",
          message: expect.stringMatching(/Close the database and open it again/),
        });
      }
      expect(await db.get("c", "100")).toEqual({ id: "100" });
      await db.close();
      const reopened = await opening(url);
      expect((await reopened.query("SELECT COUNT(*) AS n FROM c")).rows).toEqual([{ n: 100 }]);
      expect(await reopened.get("c", "1")).toEqual({ id: "1", n: 1 });
      expect(await reopened.check()).toMatchObject({ ok: true, problems: [] });
    },
  );

  it("takes a journal's entries no longer without its log", async () => {
    const spill = join(folder(), "journal.db");
    const db = await opening("sqlite::memory:", { spill });
    await db.insert("c", { id: "1" });
    rmSync(`${spill}-wal`);
    expect((await failure(db.insert("c", { id: "2" }))).message).toMatch(/its log .* while it was open/);
  });

  it("takes a journal's entries no longer", async () => {
    const spill = join(folder(), "journal.db");
    const db = await opening("sqlite::memory:", { spill });
    await db.insert("c", { id: "1" });
    rmSync(spill);
    expect((await failure(db.insert("c", { id: "2" }))).message).toMatch(/while it was open/);
  });
});

describe("files that are made", () => {
  it("can be read by their owner alone", async () => {
    const db = await opening(`sqlite:${join(folder(), "test.db")}`, { spill: join(folder(), "journal.db") });
    await db.insert("c", { id: "1" });
    const modes = readdirSync(folder()).map((name) => [name, statSync(join(folder(), name)).mode & 0o777]);
    expect(modes.length).toBeGreaterThanOrEqual(4);
    expect(modes.filter(([, mode]) => mode !== 0o600)).toEqual([]);
  });

  it("leave the modes of files that were there", async () => {
    const file = join(folder(), "test.db");
    new Database(file).close();
    chmodSync(file, 0o640);
    await opening(`sqlite:${file}`);
    expect(statSync(file).mode & 0o777).toBe(0o640);
  });
});

describe("what can't be opened", () => {
  it("is told as a FormDBError: a loop of links, a name that is too long", async () => {
    symlinkSync(join(folder(), "b"), join(folder(), "a"));
    symlinkSync(join(folder(), "a"), join(folder(), "b"));
    for (const url of [join(folder(), "a"), join(folder(), "x".repeat(300)), join(folder(), "a", "db")]) {
      expect(await failure(open(url))).toMatchObject({ code: "FORMDB_CONFIG", retryable: false });
      expect(await failure(open("sqlite::memory:", { spill: url }))).toMatchObject({ code: "FORMDB_CONFIG" });
    }
  });

  it.each([
    "host=localhost password=Secret dbname=x",
    "user=app password=Secret host=db",
    " postgres://app:Secret@h/db",
    "'postgres://app:Secret@h/db'",
    '"host=h password=Secret"',
    "sqlite:postgres://app:Secret@h/db",
    "mysql://app:Secret@h/db",
    "sqlite://app:Secret@h/db",
    "sqlite:app.db?user=u;password=Secret",
    "sqlite:app.db?key=Secret",
    "file:%ZZSecret",
    " Secret.db",
  ])("is refused as the address of something else, without a word of it: %s", async (url) => {
    const before = readdirSync(".");
    const error = await failure(open(url));
    expect(error.code).toBe("FORMDB_CONFIG");
    expect(JSON.stringify([error, error.message, error.stack])).not.toContain("Secret");
    expect(readdirSync(".")).toEqual(before);
  });

  it("says which Node is needed, before the driver ends the process", async () => {
    const real = Object.getOwnPropertyDescriptor(process, "versions")!;
    Object.defineProperty(process, "versions", { ...real, value: { ...process.versions, node: "20.20.2" } });
    try {
      const error = await failure(open("sqlite::memory:"));
      expect(error).toMatchObject({ code: "FORMDB_UNSUPPORTED", retryable: false });
      expect(error.message).toContain("Node 22 or later, and this is Node 20.20.2");
    } finally {
      Object.defineProperty(process, "versions", real);
    }
  });

  it.runIf(process.getuid?.() === 0)("in a folder that can't be written is told with what is needed", () => {
    const place = join(folder(), "read-only");
    mkdirSync(place);
    const file = join(place, "test.db");
    const made = new Database(file);
    made.pragma("journal_mode = WAL");
    made.exec("CREATE TABLE t (a)");
    made.close();
    chmodSync(file, 0o644);
    chmodSync(folder(), 0o755);
    chmodSync(place, 0o555);
    const script =
      `process.setuid(65534); const { open } = await import(${JSON.stringify(new URL("../../src/index.ts", import.meta.url).href)});` +
      `for (const mode of ["?mode=ro", ""]) await open(${JSON.stringify(`sqlite:${file}`)} + mode).then(() => console.log("opened"), (e) => console.log(JSON.stringify(e)));`;
    const told = (): { code: string; retryable: boolean; message: string }[] =>
      execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" })
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
    const [reading, writing] = told();
    expect(reading).toMatchObject({ code: "FORMDB_CONNECT_FAILED", retryable: false });
    expect(reading!.message).toContain("WAL mode");
    expect(reading!.message).toContain(`the folder ${place} can't be written`);
    expect(writing).toMatchObject({ code: "FORMDB_UNSUPPORTED", retryable: false });
    expect(writing!.message).toContain("the folder of the database's file can't be written");
    // SQLite says no more than that it can't open it, as on a file system that is read-only.
    chmodSync(file, 0o666);
    mkdirSync(`${file}-wal`);
    const [, writable] = told();
    expect(writable).toMatchObject({ code: "FORMDB_CONNECT_FAILED", retryable: false });
    expect(writable!.message).toContain(`the folder ${place} can't be written`);
  });
});

describe("a failed write", () => {
  async function limited(kind: string): Promise<FormDB> {
    const db = await opening(place(kind));
    await db.insert("c", { id: "1", text: "" });
    const { write } = engineOf(db).connections;
    const connection = await write.acquire();
    const text = "PRAGMA max_page_count = 20";
    await connection.execute({ text, name: text, prepare: false, cost: "point", returnsRows: true }, []);
    write.release(connection);
    return db;
  }

  it.each([["memory"], ["a file"]])(
    "on a full disk is busy, may be made again, and was rejected: %s",
    async (kind) => {
      const db = await limited(kind);
      const text = "x".repeat(200_000);
      const full = { code: "FORMDB_BUSY", retryable: true, outcome: "rejected", sqliteCode: "SQLITE_FULL" };
      expect(await failure(db.query("UPDATE c SET text = $1", [text]))).toMatchObject(full);
      const written = db.transaction((tx) => tx.insert("c", { id: "2", text }), { maxRetries: 0 });
      expect(await failure(written)).toMatchObject(full);
      expect(await failure(db.insert("c", { id: "3", text }))).toMatchObject({ ...full });
      expect(await db.get("c", "1")).toEqual({ id: "1", text: "" });
      expect((await db.query("SELECT COUNT(*) AS n FROM c")).rows).toEqual([{ n: 1 }]);
    },
  );

  it("on a locked file was rejected, whichever way it was made", async () => {
    const file = join(folder(), "test.db");
    const db = await opening(`sqlite:${file}`, { busyTimeoutMs: 0 });
    await db.insert("c", { id: "1" });
    const holder = new Database(file);
    holder.exec("BEGIN IMMEDIATE");
    const busy = { code: "FORMDB_BUSY", retryable: true, outcome: "rejected" };
    expect(await failure(db.query("UPDATE c SET n = 1"))).toMatchObject(busy);
    expect(await failure(db.query("DELETE FROM c"))).toMatchObject(busy);
    expect(await failure(db.transaction(async () => 1, { maxRetries: 0 }))).toMatchObject(busy);
    holder.close();
  });
});

describe.each([["memory"], ["a file"]])("a unique violation on SQLite in %s", (kind) => {
  it("names the index, the path and the document in one line, and no value", async () => {
    const db = await opening(place(kind));
    await db.insert("c", { id: "1", a: { mail: "secret@example.org" }, b: 1 });
    await db.createIndex("c", ["a.mail", "b"], { unique: true, name: "only_mail" });
    const document = { id: "2", a: { mail: "secret@example.org" }, b: 1 };
    const refused = {
      code: "FORMDB_CONSTRAINT",
      constraint: "only_mail",
      collection: "c",
      paths: ["a.mail", "b"],
    };
    const inserted = await failure(db.insert("c", document));
    expect(inserted).toMatchObject({ ...refused, id: "2", outcome: "rejected" });
    await db.insert("c", { id: "3", a: { mail: "other@example.org" }, b: 1 });
    const updated = await failure(db.query("UPDATE c SET a.mail = 'secret@example.org' WHERE id = '3'"));
    expect(updated).toMatchObject({ ...refused, outcome: "rejected" });
    const inTransaction = await failure(db.transaction((tx) => tx.insert("c", document)));
    expect(inTransaction).toMatchObject({ ...refused, id: "2" });
    await db.insert("c", { id: "4", twice: "secret@example.org" });
    await db.insert("c", { id: "5", twice: "secret@example.org" });
    const made = await failure(db.createIndex("c", "twice", { unique: true }));
    expect(made).toMatchObject({ code: "FORMDB_CONSTRAINT", constraint: "by_twice" });
    for (const error of [inserted, updated, inTransaction, made]) {
      expect(error.message).not.toMatch(/\n|secret@|formdb_index|json/);
    }
    expect(inserted.message).toBe(
      'The insert of document "2" in c failed: values in the unique index only_mail of c, over a.mail and b, ' +
        "must differ between documents",
    );
  });
});

describe.skipIf(process.platform === "win32")("a process that has no file descriptors left", () => {
  it("is told so, may try again, and has written nothing", () => {
    const file = JSON.stringify(join(folder(), "test.db"));
    const source = (path: string): string =>
      JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);
    const script = `
      import { closeSync, openSync } from "node:fs";
      import { open } from ${source("index.ts")};
      import { WorkerClient } from ${source("backend/sqlite/worker-client.ts")};
      const db = await open("sqlite:" + ${file});
      await db.insert("c", { id: "1" });
      const held = [];
      try { for (;;) held.push(openSync("/dev/null")); } catch {}
      const failed = [];
      const settings = { file: ${file}, readOnly: false, durability: "full", busyTimeoutMs: 0 };
      const group = { kind: "insert", collection: "c", ids: ["2"], json: ["{}"] };
      await new WorkerClient(settings).request("The write", { do: "write", group, inTransaction: false }).catch((e) => failed.push(e));
      await open("sqlite:" + ${file}).catch((e) => failed.push(e));
      held.forEach(closeSync);
      const again = await open("sqlite:" + ${file});
      console.log(JSON.stringify({ failed, found: await again.get("c", "1"), missing: await again.get("c", "2") }));
      process.exit();`;
    const limited = `ulimit -n 60; exec "$0" "$@"`;
    const printed = execFileSync(
      "sh",
      [
        "-c",
        limited,
        process.execPath,
        "--disable-warning=ExperimentalWarning",
        "--input-type=module",
        "-e",
        script,
      ],
      { encoding: "utf8" },
    );
    const { failed, found, missing } = JSON.parse(printed);
    expect({ found, missing }).toEqual({ found: { id: "1" }, missing: undefined });
    const refused = {
      code: "FORMDB_CONNECT_FAILED",
      retryable: true,
      message: expect.stringContaining("EMFILE"),
    };
    expect(failed).toMatchObject([{ ...refused, outcome: "rejected" }, refused]);
  });
});

it("a statement that is under way at the deadline of close() fails then, and not only when SQLite has ended it", async () => {
  const db = await open(place("file"));
  const scan = failure(
    db.sql(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 10000000) SELECT max(i) FROM n",
      [],
      { readOnly: true },
    ),
  );
  await db.close({ deadlineMs: 50 });
  expect(await scan).toMatchObject({ code: "FORMDB_CLOSED" });
});
