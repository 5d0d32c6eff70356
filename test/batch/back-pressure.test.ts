import { describe, expect, it } from "vitest";
import { FormDBError } from "../../src/base/errors.ts";
import { BatchProcessor } from "../../src/batch/batch-processor.ts";
import type { BatchGroup } from "../../src/batch/group.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";

const docs = (count: number): { id: string }[] => Array.from({ length: count }, (_, i) => ({ id: `${i}` }));
const MANY = Number(process.env.FORMDB_SOAK_DOCUMENTS ?? 300_000);

describe("a full queue", () => {
  it("refuses what does not fit to a producer that does not wait, and counts it", async () => {
    const gate = Promise.withResolvers<void>();
    const processor = new BatchProcessor(() => gate.promise, { maxQueued: 10 });
    for (const document of docs(25)) processor.insert("c", document);
    const flushed = processor.flush();
    await settle();
    gate.resolve();
    const result = await flushed;
    expect(result).toMatchObject({ successful: 10, failed: 15 });
    expect(result.errors.map(({ index, code }) => [index, code])).toEqual(
      Array.from({ length: 15 }, (_, i) => [10 + i, "FORMDB_QUEUE_FULL"]),
    );
  });

  it("lets calls with a promise wait in order, whether or not anybody awaits them", async () => {
    let most = 0;
    const processor: BatchProcessor = new BatchProcessor(
      async () => {
        most = Math.max(most, processor.stats().held);
        await settle();
      },
      { maxQueued: 10, maxBatchSize: 4 },
    );
    const calls = [
      ...docs(200).map((document) => processor.submitAll("insert", "c", [document])),
      ...docs(50).map((document) => processor.submit("upsert", "c", undefined, document)),
    ];
    expect(await processor.flush()).toEqual({ successful: 250, failed: 0, errors: [] });
    await Promise.all(calls);
    expect(most).toBeLessThanOrEqual(10);
  });

  it("holds little of a source without end in sight, whatever the sink's pace", async () => {
    let pulled = 0;
    let settled = 0;
    let ahead = 0;
    function* source(): Generator<{ n: number }> {
      while (pulled < MANY) {
        ahead = Math.max(ahead, pulled - settled);
        yield { n: pulled++ };
      }
    }
    const processor: BatchProcessor = new BatchProcessor(
      async ({ operations }) => {
        await undefined;
        const { held, heldBytes } = processor.stats();
        expect(held).toBeLessThanOrEqual(500);
        expect(heldBytes).toBeLessThanOrEqual(20_000);
        settled += operations.length;
      },
      { maxQueued: 500, maxQueuedBytes: 20_000 },
    );
    expect(await processor.submitAll("insert", "c", source())).toEqual({
      successful: MANY,
      failed: 0,
      errors: [],
    });
    expect(ahead).toBeLessThanOrEqual(601);
  });

  it("turns calls away beyond maxWaiting, each with an error of its own", async () => {
    const processor = new BatchProcessor(() => new Promise(() => {}), { maxQueued: 1, maxWaiting: 1 });
    const ended = Promise.allSettled(
      docs(3).map((document) => processor.submit("insert", "c", undefined, document)),
    );
    await settle();
    expect(processor.stats()).toMatchObject({ held: 1, waiting: 1 });
    await processor.close({ deadlineMs: 0 });
    expect(await ended).toMatchObject([
      { reason: { code: "FORMDB_CLOSED", outcome: "unknown" } },
      { reason: { code: "FORMDB_CLOSED", outcome: "rejected" } },
      { reason: { code: "FORMDB_QUEUE_FULL", retryable: true } },
    ]);
  });

  it("lets a source that fails keep what it gave, and says so", async () => {
    const processor = new BatchProcessor(async () => {});
    function* source(): Generator<{ id: string }> {
      yield* docs(3);
      throw new Error("disk gone");
    }
    await expect(processor.submitAll("insert", "c", source())).rejects.toMatchObject({
      message: expect.stringContaining("disk gone"),
      result: { successful: 3, failed: 0 },
    });
  });
});

describe("an aborted call", () => {
  it("takes back what was not sent, and does not wait for what was", async () => {
    const abort = new AbortController();
    const groups: BatchGroup[] = [];
    const gate = Promise.withResolvers<void>();
    const processor = new BatchProcessor(
      (group) => {
        groups.push(group);
        return gate.promise;
      },
      { maxBatchSize: 2, maxQueued: 4 },
    );
    const result = processor.submitAll("insert", "c", docs(6), { signal: abort.signal });
    await settle();
    abort.abort();
    gate.resolve();
    const { successful, errors } = await result;
    expect(successful).toBe(0);
    expect(errors.map(({ index, code, outcome }) => [index, code, outcome])).toEqual([
      ...[0, 1].map((index) => [index, "FORMDB_ABORTED", "unknown"]),
      ...[2, 3, 4, 5].map((index) => [index, "FORMDB_ABORTED", "rejected"]),
    ]);
    expect(groups).toHaveLength(1);
    // The flush waits, and knows.
    expect(await processor.flush()).toMatchObject({ successful: 2, failed: 4 });
    expect(processor.stats()).toMatchObject({ held: 0, queued: 0, waiting: 0 });
  });
});

describe("closing", () => {
  it("delivers what is queued and then takes no more", async () => {
    const groups: BatchGroup[] = [];
    const errors: Error[] = [];
    const processor = new BatchProcessor(async (group) => void groups.push(group), {
      eager: false,
      flushIntervalMs: Number.POSITIVE_INFINITY,
      onError: (error) => errors.push(error),
    });
    processor.insert("c", docs(3));
    expect(await processor.close()).toEqual({
      undelivered: [],
      result: { successful: 3, failed: 0, errors: [] },
    });
    await expect(processor.submit("insert", "c", undefined, {})).rejects.toMatchObject({
      code: "FORMDB_CLOSED",
    });
    await expect(processor.flush()).rejects.toMatchObject({ code: "FORMDB_CLOSED" });
    expect(() => processor.insert("c", {})).toThrow(expect.objectContaining({ code: "FORMDB_CLOSED" }));
    expect(errors).toEqual([]);
  });

  it("at its deadline gives back what can be queued again, and tells it from what was under way", async () => {
    const clock = new ManualClock();
    let signal: AbortSignal | undefined;
    const stuck = new BatchProcessor(
      (group) => {
        signal = group.signal;
        return new Promise(() => {});
      },
      { clock, maxBatchSize: 2, maxQueued: 5, onError: () => {} },
    );
    const call = stuck.submitAll("insert", "c", docs(8));
    const single = stuck.submit("delete", "c", "3", undefined);
    const refused = expect(single).rejects.toMatchObject({ code: "FORMDB_CLOSED", outcome: "rejected" });
    const closing = stuck.close({ deadlineMs: 500 });
    await clock.advance(499);
    expect(signal!.aborted).toBe(false);
    await clock.advance(1);
    const { undelivered, result } = await closing;
    await refused;
    expect(signal!.aborted).toBe(true);
    expect((await call).errors.map(({ outcome }) => outcome)).toEqual([
      "unknown",
      "unknown",
      ...Array(6).fill("rejected"),
    ]);
    expect(result).toMatchObject({ successful: 0, failed: 9 });
    expect(undelivered.map(({ kind, id }) => `${kind} ${id}`)).toEqual([
      ...["2", "3", "4", "5", "6", "7"].map((id) => `insert ${id}`),
      "delete 3",
    ]);
    const sent: string[] = [];
    const next = new BatchProcessor(
      async ({ kind, operations }) => void sent.push(...operations.map(({ id }) => kind + id)),
    );
    await next.requeue(undelivered);
    await next.flush();
    expect(sent).toEqual(["insert2", "insert3", "insert4", "insert5", "insert6", "insert7", "delete3"]);
  });
});

describe("a failure of a call that returns nothing", () => {
  it("reaches onError at the close, unless a flush has come first", async () => {
    const clock = new ManualClock();
    const told: Error[] = [];
    const processor = new BatchProcessor(
      async () => {
        throw new FormDBError("FORMDB_CONSTRAINT", "no");
      },
      { clock, onError: (error) => told.push(error) },
    );
    processor.insert("c", docs(3));
    await clock.advance(10);
    expect((await processor.flush()).failed).toBe(3);
    await clock.advance(10_000);
    processor.insert("c", docs(3));
    await clock.advance(10_000);
    expect(told).toEqual([]);
    const { result } = await processor.close();
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({
      code: "FORMDB_CONSTRAINT",
      failed: 3,
      message: expect.stringContaining("and 2 more"),
    });
    expect(result.failed).toBe(3);
  });
});
