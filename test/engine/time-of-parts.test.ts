import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CallOptions } from "../../src/base/abort.ts";
import { FormDBError } from "../../src/base/errors.ts";
import { Stopwatch } from "../../src/base/stopwatch.ts";
import { sqliteDialect } from "../../src/dialect/sqlite/sqlite-dialect.ts";
import { Catalog } from "../../src/engine/catalog.ts";
import { Collection } from "../../src/engine/collection/collection.ts";
import type { CollectionHost } from "../../src/engine/collection/host.ts";
import { TransactionHost, type TransactionMethods } from "../../src/engine/collection/transaction-host.ts";
import { Connections } from "../../src/engine/connections.ts";
import { type BatchTools, writeBatch } from "../../src/engine/http/http-batch.ts";
import { WritesInOrder } from "../../src/engine/http/writes-in-order.ts";
import { OpenTransaction } from "../../src/engine/open-transaction.ts";
import type { QueryResult } from "../../src/engine/read.ts";
import { SqlRunner } from "../../src/engine/run-sql.ts";
import { failure } from "../support/failure.ts";
import { ManualClock } from "../support/manual-clock.ts";

const PART_MS = 400;
const TIMED_OUT = { code: "FORMDB_TIMEOUT", timeoutMs: 1_000, outcome: "rejected" };

describe("The time of a call that is made in parts is that of all of them:", () => {
  it("insertMany() in a transaction", async () => {
    const clock = new ManualClock();
    const given: unknown[] = [];
    const insert = async (_collection: string, _document: unknown, options?: CallOptions) => {
      given.push(options?.timeoutMs);
      await clock.advance(PART_MS);
      return "";
    };
    const methods = { insert, clock } as unknown as TransactionMethods;
    const handle = new Collection(new TransactionHost(methods), "c", undefined);
    const error = await failure(handle.insertMany([{}, {}, {}, {}, {}], { timeoutMs: 1_000 }));
    expect(given).toEqual([1_000, 600, 200]);
    expect(error).toMatchObject({ code: "FORMDB_TIMEOUT", timeoutMs: 1_000 });
    expect(error.message).toBe("insertMany() did not end within its 1000 ms");
  });

  describe("a write whose schema takes its time:", () => {
    type Handle = Collection<{ n: number }>;
    const CALLS: [string, (handle: Handle, options: CallOptions) => Promise<unknown>][] = [
      ["insert()", (handle, options) => handle.insert({ n: 1 }, options)],
      ["upsert()", (handle, options) => handle.upsert({ n: 1 }, options)],
      ["replace()", (handle, options) => handle.replace("1", { n: 1 }, options)],
      ["insertMany()", (handle, options) => handle.insertMany([{ n: 1 }], options)],
    ];

    /** A handle whose schema checks by `validate`, and the bounds that its writes are given. */
    function checked(
      clock: ManualClock,
      validate: (value: unknown) => Promise<{ value: never }>,
      write: () => void = () => {},
    ) {
      const given: unknown[] = [];
      const note = async (_collection: string, _document: unknown, options?: CallOptions) => {
        given.push(options?.timeoutMs);
        write();
      };
      const host = {
        clock,
        methods: { insert: note, upsert: note, batchInsert: note },
        run: async (_what: string, _tree: unknown, { timeoutMs }: CallOptions) => {
          given.push(timeoutMs);
          write();
          return { rows: [{ version: 1 }], rowCount: 1 };
        },
      } as unknown as CollectionHost;
      const schema = { "~standard": { version: 1, vendor: "test", validate } } as const;
      return { given, handle: new Collection<{ n: number }>(host, "c", schema) };
    }

    it.each(CALLS)("%s", async (_, call) => {
      const clock = new ManualClock();
      const { given, handle } = checked(clock, async (value) => {
        await clock.advance(PART_MS);
        return { value: value as never };
      });
      await call(handle, { timeoutMs: 1_000 });
      expect(given).toEqual([600]);
    });

    it.each(CALLS)("%s says how much time the call had, though its write had less", async (what, call) => {
      const clock = new ManualClock();
      const { handle } = checked(
        clock,
        async (value) => {
          await clock.advance(PART_MS);
          return { value: value as never };
        },
        () => {
          const details = { timeoutMs: 600, outcome: "unknown" };
          throw new FormDBError("FORMDB_TIMEOUT", "The write did not end within its 600 ms", { details });
        },
      );
      expect(await failure(call(handle, { timeoutMs: 1_000 }))).toMatchObject({
        message: `${what} did not end within its 1000 ms`,
        timeoutMs: 1_000,
        outcome: "unknown",
      });
    });

    it.each(CALLS)("%s that its time or its signal ends before the schema has", async (what, call) => {
      const clock = new ManualClock();
      const { given, handle } = checked(clock, () => new Promise(() => {}));
      const abort = new AbortController();
      const late = failure(call(handle, { timeoutMs: 1_000 }));
      const aborted = failure(call(handle, { signal: abort.signal }));
      abort.abort();
      await clock.advance(1_000);
      expect(await late).toMatchObject({
        ...TIMED_OUT,
        message: `${what} did not end within its 1000 ms`,
      });
      expect(await aborted).toMatchObject({ code: "FORMDB_ABORTED", outcome: "rejected" });
      expect(given).toEqual([]);
    });
  });

  it("findOneAndUpdate() that looks again and again", async () => {
    const clock = new ManualClock();
    const given: unknown[] = [];
    const host = {
      findsFirst: true,
      clock,
      run: async (what: string, _tree: unknown, { timeoutMs }: CallOptions): Promise<QueryResult> => {
        given.push(timeoutMs);
        await clock.advance(PART_MS);
        return what === "find()" ? { rows: [{ id: "1" }], rowCount: 1 } : { rows: [], rowCount: 0 };
      },
    } as unknown as CollectionHost;
    const handle = new Collection<{ id: string; n: number }>(host, "c", undefined);
    const error = await failure(handle.findOneAndUpdate({}, { inc: { n: 1 } }, { timeoutMs: 1_000 }));
    expect(given).toEqual([1_000, 600, 200]);
    expect(error).toMatchObject(TIMED_OUT);
  });

  it("update() that is tried again, and whose last part runs out of time", async () => {
    const clock = new ManualClock();
    const host = {
      clock,
      run: async (): Promise<QueryResult> => {
        await clock.advance(PART_MS);
        return { rows: [], rowCount: 0 };
      },
      getVersioned: async (_collection: string, _id: string, { timeoutMs }: CallOptions) => {
        const details = { timeoutMs, outcome: "rejected" };
        throw new FormDBError("FORMDB_TIMEOUT", "The read did not end within its 600 ms", { details });
      },
    } as unknown as CollectionHost;
    const handle = new Collection<{ id: string; n: number }>(host, "c", undefined);
    const error = await failure(handle.update("1", { inc: { n: 1 } }, { timeoutMs: 1_000 }));
    expect(error).toMatchObject({ ...TIMED_OUT, cause: { timeoutMs: 600 } });
    expect(error.message).toBe("update() did not end within its 1000 ms");
  });

  it("a call in a transaction that waits for those before it", async () => {
    const clock = new ManualClock();
    const ends: Record<string, PromiseWithResolvers<unknown>> = { first: Promise.withResolvers() };
    const given: unknown[] = [];
    const runOn = async (_: unknown, { text }: { text: string }, { timeoutMs }: CallOptions) => {
      given.push([text, timeoutMs]);
      return ends[text]?.promise;
    };
    const tools = { sql: { placeholder: () => "?", runOn }, reporter: { clock }, signal: undefined };
    const transaction = new OpenTransaction(tools as never, new Stopwatch(clock));
    const abort = new AbortController();
    const first = transaction.sql("first");
    const late = failure(transaction.sql("late", [], { timeoutMs: 1_000 }));
    const aborted = failure(transaction.sql("aborted", [], { signal: abort.signal }));
    const last = transaction.sql("last", [], { timeoutMs: 3_000 });
    abort.abort();
    expect(await aborted).toMatchObject({ code: "FORMDB_ABORTED" });
    await clock.advance(1_000);
    expect(await late).toMatchObject({ code: "FORMDB_TIMEOUT", timeoutMs: 1_000 });
    await clock.advance(PART_MS);
    // One that was given up has not let the next one begin.
    expect(given).toEqual([["first", undefined]]);
    ends.first!.resolve(undefined);
    await Promise.all([first, last]);
    expect(given).toEqual([
      ["first", undefined],
      ["last", 1_600],
    ]);
  });

  it("a read that looks its collection up first", async () => {
    const clock = new ManualClock();
    const given: unknown[] = [];
    const reader = {
      execute: async (_statement: unknown, _values: unknown, { timeoutMs }: CallOptions) => {
        given.push(timeoutMs);
        await clock.advance(PART_MS);
        return { rows: [["c"]], rowCount: 1 };
      },
    };
    const connections = {
      use: async (_role: string, { timeoutMs }: CallOptions, work: (connection: unknown) => unknown) => {
        given.push(timeoutMs);
        await clock.advance(PART_MS);
        return work(reader);
      },
    };
    const catalog = new Catalog(connections as never, sqliteDialect, clock, () => {});
    expect(await catalog.need("c", { timeoutMs: 1_000 })).toEqual({ signal: undefined, timeoutMs: 200 });
    expect(given).toEqual([1_000, 600]);
  });

  it("sql() that SQLite refuses on a connection for reading", async () => {
    const clock = new ManualClock();
    const given: unknown[] = [];
    const connections = {
      refusesWrites: true,
      use: async (role: string, { timeoutMs }: CallOptions) => {
        given.push([role, timeoutMs]);
        await clock.advance(PART_MS);
        throw new FormDBError("FORMDB_UNSUPPORTED", role, { details: { needsWriter: role === "read" } });
      },
    };
    const reporter = {
      clock,
      report: (_: unknown, __: unknown, work: (times: object) => unknown) => work({}),
    };
    const sql = new SqlRunner(connections as never, reporter as never, () => "?");
    const call = sql.run({ text: "DELETE FROM c", values: [] }, { timeoutMs: 1_000 }, () => {});
    await expect(call).rejects.toThrow("write");
    expect(given).toEqual([
      ["read", 1_000],
      ["write", 600],
    ]);
  });

  it("a read whose replica has not caught up, and that goes to the primary", async () => {
    const clock = new ManualClock();
    const given: unknown[] = [];
    const replica = {
      usable: true,
      isFresh: async ({ timeoutMs }: CallOptions) => {
        given.push(timeoutMs);
        await clock.advance(PART_MS);
        return false;
      },
      close: async () => {},
    };
    const backend = {
      separateWriter: true,
      sizing: () => ({ minConnections: 0, maxConnections: 1 }),
      connect: async (role: string) => {
        await clock.advance(PART_MS);
        if (role === "read") return replica;
        throw new FormDBError("FORMDB_CONNECT_FAILED", "not this time");
      },
      isFatal: () => false,
      invalidatesPool: () => false,
    };
    const connections = new Connections(backend as never, {}, clock, {}, {});
    const { write } = connections;
    write.acquire = async (options) => {
      given.push(options?.timeoutMs);
      throw new Error("the primary was asked");
    };
    const call = connections.use("read", { timeoutMs: 1_000 }, async () => {});
    await expect(call).rejects.toThrow("the primary was asked");
    expect(given).toEqual([600, 200]);
  });

  describe("over HTTP", () => {
    beforeEach(() => {
      vi.useFakeTimers({ toFake: ["performance", "setTimeout"] });
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    it("a batch of several requests", async () => {
      const given: unknown[] = [];
      const client = {
        json: async ({ options }: { readonly options: CallOptions }) => {
          given.push(options.timeoutMs);
          vi.advanceTimersByTime(PART_MS);
          return { successful: 1_000, failed: 0, errors: [] };
        },
      };
      let ids = 0;
      const tools = {
        client,
        order: new WritesInOrder(),
        makeId: () => String(++ids),
      } as unknown as BatchTools;
      const write = { what: "batchInsert()", kind: "insert", path: "/", collection: "c" } as const;
      const documents = Array.from({ length: 5_000 }, () => ({}));
      const result = await writeBatch(tools, write, documents, { timeoutMs: 1_000 });
      expect(given).toEqual([1_000, 600, 200]);
      expect(result).toMatchObject({ successful: 3_000, failed: 2_000 });
      expect(result.errors[0]).toMatchObject({
        index: 3_000,
        code: "FORMDB_TIMEOUT",
        error: "batchInsert() did not end within its 1000 ms",
        outcome: "rejected",
      });
    });
  });
});
