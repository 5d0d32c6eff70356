import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CallOptions } from "../../src/base/abort.ts";
import { FormDBError } from "../../src/base/errors.ts";
import { Collection } from "../../src/engine/collection/collection.ts";
import type { CollectionHost } from "../../src/engine/collection/host.ts";
import { TransactionHost, type TransactionMethods } from "../../src/engine/collection/transaction-host.ts";
import { type BatchTools, writeBatch } from "../../src/engine/http/http-batch.ts";
import { WritesInOrder } from "../../src/engine/http/writes-in-order.ts";
import type { QueryResult } from "../../src/engine/read.ts";
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
