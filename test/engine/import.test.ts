import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { FormDBError } from "../../src/base/errors.ts";
import { BatchProcessor } from "../../src/batch/batch-processor.ts";
import type { ExecuteGroup } from "../../src/batch/group.ts";
import { type ImportTools, importDocuments } from "../../src/engine/import.ts";
import { open } from "../../src/engine/open.ts";
import { failure } from "../support/failure.ts";
import { startPostgres } from "../support/postgres-server.ts";

const docs = (count: number): { id: string }[] => Array.from({ length: count }, (_, i) => ({ id: `${i}` }));

/** The tools of an import into a database that is `execute` alone. */
function into(execute: ExecuteGroup): ImportTools {
  return {
    batch: new BatchProcessor(execute, { backoff: { baseMs: 0, maxMs: 0 } }),
    reads: { stored: async () => [] } as never,
    clock: systemClock,
    engineTime: async () => 0,
    maxRows: Infinity,
    groupsAtOnce: 1,
    rejected: () => {},
  };
}

describe("an outage during an import", () => {
  it.each(["FORMDB_CONNECT_FAILED", "FORMDB_BUSY", "FORMDB_CONNECTION_LOST", "FORMDB_POOL_TIMEOUT"] as const)(
    "that ends in %s stops it: no document is counted as rejected for it",
    async (code) => {
      let written = 0;
      let read = 0;
      const tools = into(async ({ operations }) => {
        if (written >= 2_000) throw new FormDBError(code, "the database is gone", { retryable: true });
        written += operations.length;
      });
      function* source(): Generator<unknown> {
        yield "no document";
        for (const document of docs(100_000)) {
          read++;
          yield document;
        }
      }
      const told: unknown[] = [];
      const error = await failure(
        importDocuments(tools, "c", source(), { onRejected: (rejected) => told.push(rejected) }),
      );
      expect(error).toBeInstanceOf(FormDBError);
      expect(error).toMatchObject({ code, retryable: true, imported: written, failed: 1, read: read + 1 });
      expect(error.message).toContain("the database is gone");
      expect(error.message).toContain("skip-identical");
      expect(told).toMatchObject([{ index: 0, code: "FORMDB_INVALID_DOCUMENT" }]);
      expect(read).toBeLessThan(30_000);
    },
  );

  it("says what running it again would do to documents without an id", async () => {
    let written = 0;
    const tools = into(async ({ operations }) => {
      if (written > 0) throw new FormDBError("FORMDB_BUSY", "busy");
      written += operations.length;
    });
    const source = [...Array.from({ length: 100 }, (_, n) => ({ n })), ...docs(30_000)];
    const error = await failure(importDocuments(tools, "c", source));
    expect(error).toMatchObject({ code: "FORMDB_BUSY", imported: written });
    expect(error.message).toMatch(/goes on from there, but stores documents without an id once more$/);
  });

  it("that may write nothing ends at once, and is not to be run again as it is", async () => {
    let sent = 0;
    const tools = into(async () => {
      sent++;
      throw new FormDBError("FORMDB_UNSUPPORTED", "permission denied for table c");
    });
    const error = await failure(importDocuments(tools, "c", docs(100_000)));
    expect(error).toMatchObject({ code: "FORMDB_UNSUPPORTED", retryable: false, imported: 0, failed: 0 });
    expect(error.message).not.toContain("skip-identical");
    expect(sent).toBeLessThan(10);
  });

  it("while it compares what is there already counts what was written before", async () => {
    const tools = into(async ({ operations }) =>
      operations.map(({ id }) =>
        id === "7" ? { error: new FormDBError("FORMDB_DUPLICATE_ID", "7 is there") } : { found: true },
      ),
    );
    const away = new FormDBError("FORMDB_CONNECT_FAILED", "the database is gone");
    const reads = { stored: () => Promise.reject(away) } as never;
    const call = importDocuments({ ...tools, reads }, "c", docs(50), { ifExists: "skip-identical" });
    expect(await failure(call)).toMatchObject({ code: "FORMDB_CONNECT_FAILED", read: 50, imported: 49 });
  });

  it("tells a document that was stored since it began from one that another has the id of", async () => {
    await using db = await open("sqlite::memory:");
    const source = [
      { id: "1", n: 1 },
      { id: "1", n: 1 },
      { id: "1", n: 2 },
    ];
    const first = await db.import("c", source, { ifExists: "skip-identical" });
    expect(first).toMatchObject({ successful: 1, unchanged: 0, failed: 2 });
    expect(first.errors[0]!.error).toContain("stored since this import began");
    expect(first.errors[1]!.error).not.toContain("since");
  });

  it("leaves the errors of the source as they are", async () => {
    const own = new Error("no more paper");
    function* source(): Generator<unknown> {
      yield* docs(3);
      throw own;
    }
    const tools = into(async () => {});
    await expect(importDocuments(tools, "c", source())).rejects.toBe(own);
    expect(tools.batch.stats().successful).toBe(3);
  });

  it("of a server that goes away says how far the import came, and running it again goes on", async () => {
    await using server = await startPostgres();
    const batch = { backoff: { baseMs: 10, maxMs: 20 } };
    const db = await open(server.url, { batch });
    let stopped: Promise<void> | undefined;
    const error = await failure(
      db.import("c", docs(60_000), {
        onProgress: ({ imported }) => {
          if (imported > 10_000) stopped ??= server.stop();
        },
      }),
    );
    await stopped;
    await db.close({ deadlineMs: 0 });
    expect(error.retryable).toBe(true);
    expect(error.failed).toBe(0);
    expect(error.imported).toBeGreaterThan(10_000);
    await server.start();
    await using again = await open(server.url, { batch });
    const result = await again.import("c", docs(60_000), { ifExists: "skip-identical" });
    expect(result.successful + result.unchanged).toBe(60_000);
    expect(result.unchanged).toBeGreaterThanOrEqual(error.imported as number);
  });
});

describe("an import", () => {
  it("that close() cuts says how much was written", async () => {
    const db = await open("sqlite::memory:");
    let written = 0;
    async function* source(): AsyncGenerator<unknown> {
      yield* docs(50_000);
    }
    const importing = db.import("c", source(), {
      onProgress: ({ imported }) => {
        written = imported;
        if (imported > 5_000) void db.close();
      },
    });
    const error = await failure(importing);
    expect(error).toMatchObject({ code: "FORMDB_CLOSED", failed: 0, imported: written });
    expect(error.message).toContain(`${written} of the`);
  });

  it("with a signal lets go of documents that are written, while others are read", async () => {
    setFlagsFromString("--expose-gc");
    const collectGarbage = runInNewContext("gc") as () => void;
    const given: WeakRef<object>[] = [];
    async function* source(): AsyncGenerator<unknown> {
      for (let i = 0; i < 60_000; i++) {
        const document = { id: `${i}` };
        given.push(new WeakRef(document));
        yield document;
      }
      // Those of this turn of the event loop are still held by their WeakRefs.
      await new Promise((resolve) => setImmediate(resolve));
      collectGarbage();
      held = given.filter((document) => document.deref() !== undefined).length;
    }
    let held = Infinity;
    const { signal } = new AbortController();
    await importDocuments(
      into(async () => {}),
      "c",
      source(),
      { signal },
    );
    // Two chunks of 5,000 are under way, and one is being filled.
    expect(held).toBeLessThanOrEqual(15_000);
  });

  it("into memory gives the event loop its turns, so that a time-out of its signal stops it", async () => {
    await using db = await open("sqlite::memory:");
    function* endless(): Generator<unknown> {
      for (let i = 0; ; i++) yield { id: String(i), text: "some text" };
    }
    for (const source of [
      endless(),
      (async function* () {
        yield* endless();
      })(),
    ]) {
      const collection = `c${Math.random().toString(36).slice(2)}`;
      const result = await db.import(collection, source, { signal: AbortSignal.timeout(50) });
      expect(result.aborted).toBe(true);
      expect(result.successful).toBe(result.read);
    }
  });
});
