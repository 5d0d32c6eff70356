import { describe, expect, it } from "vitest";
import { FormDBError } from "../../src/base/errors.ts";
import { BatchProcessor } from "../../src/batch/batch-processor.ts";
import type { BatchGroup, BatchOperation, CloseResult, UndeliveredOperation } from "../../src/batch/group.ts";
import { failure } from "../support/failure.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** A processor whose groups stay under way until they are let go. */
function stuck(options = {}): {
  clock: ManualClock;
  sent: string[];
  release: () => void;
  processor: BatchProcessor;
} {
  const clock = new ManualClock();
  const sent: string[] = [];
  const releases: (() => void)[] = [];
  const processor = new BatchProcessor(
    ({ operations }: BatchGroup) => {
      sent.push(...operations.map(({ id }: BatchOperation) => id));
      return new Promise<void>((resolve) => releases.push(resolve));
    },
    { clock, maxBatchSize: 1, ...options },
  );
  return { clock, sent, release: () => releases.splice(0).forEach((resolve) => void resolve()), processor };
}

describe("a source that fires the signal of its own call", () => {
  it("as it is first read is read no further, and the call ends", async () => {
    const { clock, sent, processor } = stuck({ maxQueued: 2 });
    const abort = new AbortController();
    function* source(): Generator<object> {
      for (let n = 1; ; n++) {
        if (n === 2) abort.abort();
        yield { id: String(n) };
      }
    }
    const error = failure(processor.submitAll("insert", "c", source(), { signal: abort.signal }));
    await clock.advance(0);
    expect(processor.stats()).toMatchObject({ held: 1, waiting: 0 });
    expect(await error).toMatchObject({ code: "FORMDB_ABORTED", result: { successful: 0, failed: 3 } });
    expect(sent).toEqual(["1"]);
  });

  it("later has nothing more taken from it", async () => {
    const { clock, sent, release, processor } = stuck({ maxQueued: 1 });
    const abort = new AbortController();
    function* source(): Generator<object> {
      yield { id: "1" };
      yield { id: "2" };
      abort.abort();
      yield { id: "3" };
    }
    const error = failure(processor.submitAll("insert", "c", source(), { signal: abort.signal }));
    for (let n = 0; n < 3; n++) {
      await clock.advance(0);
      release();
    }
    await clock.advance(0);
    expect(await error).toMatchObject({ code: "FORMDB_ABORTED", result: { failed: 1 } });
    expect(sent).toEqual(["1", "2"]);
  });
});

describe("a write whose time runs out", () => {
  it("is unknown if it was sent, and its caller waits no longer; the flush does, and knows", async () => {
    const { clock, release, processor } = stuck();
    const error = failure(processor.submit("insert", "c", "1", {}, { timeoutMs: 100 }));
    const flushed = processor.flush();
    await clock.advance(100);
    expect(await error).toMatchObject({
      code: "FORMDB_TIMEOUT",
      outcome: "unknown",
      retryable: false,
      timeoutMs: 100,
    });
    expect(processor.stats()).toMatchObject({ held: 1, inFlight: 1 });
    release();
    await clock.advance(0);
    expect(await flushed).toMatchObject({ successful: 1, failed: 0 });
    expect(processor.stats()).toMatchObject({ held: 0, inFlight: 0, successful: 1, failed: 0 });
  });

  it("is taken back if it was not sent, queued or waiting for room", async () => {
    const { clock, sent, release, processor } = stuck({ maxQueued: 2 });
    const first = processor.submit("insert", "c", "1", {});
    const queued = failure(processor.submit("insert", "c", "2", {}, { timeoutMs: 100 }));
    const waiting = failure(processor.submit("insert", "c", "3", {}, { timeoutMs: 100 }));
    const blocked = processor.submit("delete", "c", "2", undefined);
    await clock.advance(99);
    expect(processor.stats()).toMatchObject({ held: 2, waiting: 2 });
    await clock.advance(1);
    for (const error of [await queued, await waiting])
      expect(error).toMatchObject({ code: "FORMDB_TIMEOUT", outcome: "rejected", attempts: 0 });
    expect(processor.stats()).toMatchObject({ held: 2, waiting: 0 });
    release();
    await clock.advance(0);
    release();
    await clock.advance(0);
    await Promise.all([first, blocked]);
    expect(sent).toEqual(["1", "2"]);
    expect(clock.pending).toBe(0);
  });

  it("leaves the line for room, and lets another wait in its place", async () => {
    const { clock, release, processor } = stuck({ maxQueued: 1, maxWaiting: 2 });
    const first = processor.submit("insert", "c", "1", {});
    const single = failure(processor.submit("insert", "c", "2", {}, { timeoutMs: 100 }));
    const many = processor.submitAll("insert", "c", [{ id: "3" }], { timeoutMs: 100 });
    await clock.advance(100);
    expect(await single).toMatchObject({ code: "FORMDB_TIMEOUT", outcome: "rejected" });
    expect(await many).toMatchObject({ errors: [{ code: "FORMDB_TIMEOUT", outcome: "rejected" }] });
    expect(processor.stats()).toMatchObject({ held: 1, waiting: 0 });
    const next = processor.submit("insert", "c", "4", {});
    for (let n = 0; n < 2; n++) {
      release();
      await clock.advance(0);
    }
    await Promise.all([first, next]);
  });

  it("is no longer the oldest that waits once it is taken back", async () => {
    const { clock, processor } = stuck();
    void processor.submit("insert", "c", "1", {});
    const error = failure(processor.submit("insert", "c", "2", {}, { timeoutMs: 100 }));
    await clock.advance(50);
    expect(processor.stats()).toMatchObject({ queued: 1, oldestMs: 50 });
    await clock.advance(50);
    await error;
    await clock.advance(5_000);
    expect(processor.stats()).toMatchObject({ queued: 0, oldestMs: 0 });
  });

  it("is the oldest that waits also behind another one of its document", async () => {
    const { clock, processor } = stuck();
    void processor.submit("upsert", "c", "1", {});
    await clock.advance(50);
    void processor.submit("upsert", "c", "1", {});
    await clock.advance(50);
    void processor.submit("upsert", "c", "2", {});
    await clock.advance(50);
    expect(processor.stats()).toMatchObject({ queued: 2, oldestMs: 100 });
  });

  it("of a batch ends the call: what was sent is unknown, the rest rejected", async () => {
    const { clock, sent, processor } = stuck();
    const call = processor.submitAll("insert", "c", [{ id: "1" }, { id: "2" }, 7], { timeoutMs: 50 });
    await clock.advance(50);
    expect(await call).toMatchObject({
      successful: 0,
      failed: 3,
      errors: [
        { index: 0, code: "FORMDB_TIMEOUT", outcome: "unknown", attempts: 1 },
        { index: 1, code: "FORMDB_TIMEOUT", outcome: "rejected", attempts: 0 },
        { index: 2, code: "FORMDB_INVALID_DOCUMENT", outcome: "rejected" },
      ],
    });
    expect(sent).toEqual(["1"]);
  });

  it("in the pause before a retry is rejected at once, and not sent again", async () => {
    const clock = new ManualClock();
    let sent = 0;
    const processor = new BatchProcessor(
      async () => {
        sent++;
        throw new FormDBError("FORMDB_BUSY", "busy");
      },
      { clock, random: () => 1, backoff: { baseMs: 1_000 } },
    );
    const error = failure(processor.submit("insert", "c", "1", {}, { timeoutMs: 10 }));
    await clock.advance(10);
    expect(await error).toMatchObject({ code: "FORMDB_TIMEOUT", outcome: "rejected", attempts: 1 });
    await clock.advance(10_000);
    expect(sent).toBe(1);
    expect(processor.stats()).toMatchObject({ held: 0, inFlight: 0, failed: 1 });
  });

  it("counts as one error, whatever becomes of what was sent", async () => {
    const codes: string[] = [];
    const { clock, release, processor } = stuck({ observer: { failed: (code: string) => codes.push(code) } });
    const error = failure(processor.submit("insert", "c", "1", {}, { timeoutMs: 10 }));
    await clock.advance(10);
    await error;
    release();
    await clock.advance(0);
    expect(codes).toEqual(["FORMDB_TIMEOUT"]);
  });

  it("keeps no timer and no listener once it has ended", async () => {
    const clock = new ManualClock();
    const processor = new BatchProcessor(async () => {}, { clock });
    const { signal } = new AbortController();
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    Object.assign(signal, {
      addEventListener: (...values: Parameters<typeof add>) => {
        listeners++;
        add(...values);
      },
      removeEventListener: (...values: Parameters<typeof remove>) => {
        listeners--;
        remove(...values);
      },
    });
    await processor.submit("insert", "c", "1", {}, { signal, timeoutMs: 1_000 });
    await processor.submitAll("insert", "c", [{ id: "2" }], { signal, timeoutMs: 1_000 });
    await failure(processor.submit("insert", "c", "", {}, { signal, timeoutMs: 1_000 }));
    expect([listeners, clock.pending]).toEqual([0, 0]);
  });
});

describe("closing at a deadline", () => {
  it("lists what is unknown first, all of it, however many were not sent", async () => {
    const clock = new ManualClock();
    const processor = new BatchProcessor(() => new Promise(() => {}), {
      clock,
      maxBatchSize: 100,
      onError: () => {},
    });
    const documents = Array.from({ length: 5_100 }, (_, i) => ({ id: String(i) }));
    const call = processor.submitAll("insert", "c", documents, { maxErrors: 10 });
    const closing = processor.close({ deadlineMs: 20 });
    await clock.advance(20);
    const { undelivered, result } = await closing;
    const inFlight = Array.from({ length: 100 }, (_, i) => [i, "unknown"]);
    const told = (errors: readonly { index: number; outcome: string }[]): unknown[] =>
      errors.map(({ index, outcome }) => [index, outcome]);
    expect(told(result.errors.slice(0, 100))).toEqual(inFlight);
    expect(result.errors).toHaveLength(1_100);
    expect(result.errors[100]).toMatchObject({ index: 100, outcome: "rejected" });
    expect(told((await call).errors.slice(0, 101))).toEqual([...inFlight, [100, "rejected"]]);
    expect((await call).errors).toHaveLength(110);
    expect(undelivered).toHaveLength(5_000);
  });

  it.each([
    [new FormDBError("FORMDB_CONNECTION_LOST", "lost")],
    [new FormDBError("FORMDB_CONSTRAINT", "no")],
  ])("ends each operation once, however soon a group in flight reacts: %s", async (error) => {
    for (let ticks = 0; ticks < 30; ticks++) {
      const clock = new ManualClock();
      const processor = new BatchProcessor(
        async ({ signal }) => {
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          for (let n = 0; n < ticks; n++) await undefined;
          throw error;
        },
        { clock, lookUpToken: () => new Promise(() => {}), onError: () => {} },
      );
      const call = processor.submitAll("insert", "c", [{ id: "1" }, { id: "2" }]);
      let closed: CloseResult | undefined;
      void processor.close({ deadlineMs: 10 }).then((result) => {
        closed = result;
      });
      await clock.advance(10);
      expect([ticks, closed?.result.failed]).toEqual([ticks, 2]);
      expect(await call).toMatchObject({ failed: 2 });
      const ids = closed!.undelivered.map(({ id }) => id);
      expect([ticks, ids]).toEqual([ticks, [...new Set(ids)]]);
    }
  });

  it("hands back documents as they were queued, whatever has become of the objects", async () => {
    const { clock, processor } = stuck({ onError: () => {} });
    const underWay = failure(processor.submit("insert", "c", "1", {}));
    const reused = { id: "2", n: 1 };
    processor.insert("c", reused);
    Object.assign(reused, { id: "3", n: 2 });
    processor.insert("c", reused);
    processor.delete("c", "4");
    reused.n = 3;
    const closing = processor.close({ deadlineMs: 10 });
    await clock.advance(10);
    await underWay;
    expect((await closing).undelivered).toEqual([
      { kind: "insert", collection: "c", id: "2", document: { id: "2", n: 1 } },
      { kind: "insert", collection: "c", id: "3", document: { id: "3", n: 2 } },
      { kind: "delete", collection: "c", id: "4", document: undefined },
    ]);
  });

  it("hands back what can be queued again: requeue() writes it and tells how it ended", async () => {
    const applied: string[] = [];
    const next = new BatchProcessor(async ({ kind, operations }) => {
      if (kind === "update") throw new FormDBError("FORMDB_CONSTRAINT", "no");
      applied.push(...operations.map(({ id }) => `${kind} ${id}`));
    });
    const result = await next.requeue([
      { kind: "insert", collection: "c", id: "1", document: { a: 1 } },
      { kind: "insert", collection: "c", id: "2", document: { a: 1 } },
      { kind: "update", collection: "c", id: "3", document: { a: 1 } },
      { kind: "delete", collection: "d", id: "1", document: undefined },
    ]);
    expect(result).toMatchObject({
      successful: 3,
      errors: [{ index: 2, id: "3", code: "FORMDB_CONSTRAINT" }],
    });
    expect(applied.toSorted()).toEqual(["delete 1", "insert 1", "insert 2"]);
  });

  it("requeue() of a source that fails tells what became of what was before it", async () => {
    function* source(): Generator<UndeliveredOperation> {
      yield { kind: "insert", collection: "c", id: "1", document: {} };
      yield { kind: "delete", collection: "c", id: "2", document: undefined };
      throw new Error("no more paper");
    }
    const processor = new BatchProcessor(async () => {});
    expect(await failure(processor.requeue(source()))).toMatchObject({
      code: "FORMDB_INVALID_DOCUMENT",
      message: "The source of the operations failed: no more paper",
      result: { successful: 1, failed: 0 },
    });
    expect(await failure(processor.requeue(5 as never))).toMatchObject({ code: "FORMDB_CONFIG" });
  });

  it("requeue() refuses a kind that there is not, tells what became of what was before it, and the queue goes on", async () => {
    const processor = new BatchProcessor(async () => {});
    const requeued = processor.requeue([
      { kind: "insert", collection: "c", id: "1", document: {} },
      { kind: "replace" as "upsert", collection: "c", id: "2", document: {} },
    ]);
    expect(await failure(requeued)).toMatchObject({
      code: "FORMDB_CONFIG",
      message: expect.stringContaining('"replace"'),
      result: { successful: 1, failed: 0 },
    });
    expect(await processor.submit("insert", "c", "3", {})).toEqual({ id: "3" });
  });
});
