import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { FormDBError } from "../../src/base/errors.ts";
import { BatchProcessor } from "../../src/batch/batch-processor.ts";
import { failure } from "../support/failure.ts";

const never = (): Promise<void> => new Promise(() => {});

describe("a write that finds neither room nor a place to wait", () => {
  it("shares its error with all that are refused in the same tick, and no others", async () => {
    const processor = new BatchProcessor(never, { maxQueued: 1, maxWaiting: 0 });
    void processor.submit("insert", "c", "first", {});
    const refused = (id: string) => failure(processor.submit("insert", "c", id, {}));
    const [one, two] = await Promise.all([refused("1"), refused("2")]);
    expect(one).toMatchObject({
      code: "FORMDB_QUEUE_FULL",
      retryable: true,
      outcome: "rejected",
      attempts: 0,
    });
    expect(two).toBe(one);
    expect(await refused("3")).not.toBe(one);
    expect(processor.stats()).toMatchObject({ held: 1, waiting: 0, failed: 3 });
  });

  it("is counted by the flush and the observer as every other", async () => {
    const events: string[] = [];
    const processor = new BatchProcessor(never, {
      maxQueued: 1,
      maxWaiting: 0,
      observer: {
        settled: (kind, outcome) => events.push(`${kind} ${outcome}`),
        failed: (code) => events.push(code),
      },
    });
    const first = processor.submit("insert", "c", "first", {}).catch(() => {});
    await processor.submit("update", "c", "1", {}).catch(() => {});
    expect(await processor.submitAll("delete", "c", ["2", "3"])).toMatchObject({
      successful: 0,
      errors: [
        { index: 0, id: "2", code: "FORMDB_QUEUE_FULL", outcome: "rejected" },
        { index: 1, id: "3", code: "FORMDB_QUEUE_FULL", outcome: "rejected" },
      ],
    });
    const refusal = (kind: string): string[] => [`${kind} rejected`, "FORMDB_QUEUE_FULL"];
    expect(events).toEqual([...refusal("update"), ...refusal("delete"), ...refusal("delete")]);
    const { result } = await processor.close({ deadlineMs: 0 });
    await first;
    expect(result.errors.map(({ index, id, outcome }) => [index, id, outcome])).toEqual([
      [0, "first", "unknown"],
      [1, "1", "rejected"],
      [2, "2", "rejected"],
      [3, "3", "rejected"],
    ]);
  });

  it("is told so where its own document has taken the room while it was encoded", async () => {
    const processor = new BatchProcessor(never, { maxQueued: 1, maxWaiting: 0 });
    const taking = {
      toJSON: () => {
        processor.insert("c", { id: "inner" });
        return {};
      },
    };
    const told = failure(processor.submit("insert", "c", "outer", taking));
    expect(await told).toMatchObject({ code: "FORMDB_QUEUE_FULL", outcome: "rejected" });
    expect(processor.stats()).toMatchObject({ held: 1, waiting: 0 });
  });

  it("is one too that is too large for what is left of maxQueuedBytes", async () => {
    const processor = new BatchProcessor(never, { maxQueuedBytes: 5_000, maxWaiting: 0 });
    void processor.submit("insert", "c", "first", {});
    const told = failure(processor.submit("insert", "c", "large", { text: "x".repeat(6_000) }));
    expect(processor.stats()).toMatchObject({ held: 1, waiting: 0 });
    expect(await told).toMatchObject({ code: "FORMDB_QUEUE_FULL", outcome: "rejected", attempts: 0 });
    void processor.submit("insert", "c", "small", {});
    expect(processor.stats()).toMatchObject({ held: 2, waiting: 0, failed: 1 });
  });

  it("by the hundred thousand, in a loop that awaits none, leaves the process alive in 80 MB", async () => {
    const program = fileURLToPath(new URL("./unawaited-loop.ts", import.meta.url));
    for (const call of ["insert", "batchInsert"]) {
      const args = ["--max-old-space-size=80", program, call, "200000"];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      expect(stdout).toBe("alive\n");
    }
  });
});

describe("a call with a promise, on a full queue", () => {
  it("waits in order, awaited at once, later or never", async () => {
    const gate = Promise.withResolvers<void>();
    const order: string[] = [];
    const processor = new BatchProcessor(
      async ({ operations }) => {
        await gate.promise;
        order.push(...operations.map(({ id }) => id));
      },
      { maxQueued: 1, maxBatchSize: 1, maxWaiting: 10 },
    );
    const first = processor.submit("insert", "c", "a", {});
    const never = processor.submitAll("insert", "c", [{ id: "b" }]);
    const later = processor.submit("insert", "c", "c", {});
    for (let i = 0; i < 20; i++) await undefined;
    const atOnce = processor.submit("insert", "c", "d", {});
    expect(processor.stats()).toMatchObject({ held: 1, waiting: 3 });
    gate.resolve();
    await Promise.all([first, atOnce]);
    expect(await later).toEqual({ id: "c" });
    expect(await never).toMatchObject({ successful: 1 });
    expect(order).toEqual(["a", "b", "c", "d"]);
  });
});

it("what a source itself adds while it is read has its place while there is room", async () => {
  for (const add of ["insert", "submitAll"] as const) {
    const order: string[] = [];
    const processor = new BatchProcessor(
      async ({ operations }) => {
        order.push(...operations.map(({ id }) => id));
      },
      { maxQueued: 4 },
    );
    function* source(): Generator<object> {
      yield { id: "1" };
      processor.insert("c", { id: "2" });
      yield { id: "3" };
    }
    void (add === "insert" ? processor.insert("c", source()) : processor.submitAll("insert", "c", source()));
    expect(await processor.flush()).toEqual({ successful: 3, failed: 0, errors: [] });
    expect(order).toEqual(["1", "2", "3"]);
  }
});

describe("a source that does not work", () => {
  it.each<[string, () => unknown]>([
    ["gives no object for a step", () => undefined],
    [
      "throws what has no text",
      () => {
        throw Object.create(null);
      },
    ],
  ])("and %s ends its own call, and the queue goes on", async (_, next) => {
    const processor = new BatchProcessor(async () => {});
    const source = { [Symbol.iterator]: () => ({ next }) } as Iterable<unknown>;
    expect(await failure(processor.submitAll("insert", "c", source))).toMatchObject({
      code: "FORMDB_INVALID_DOCUMENT",
      result: { successful: 0, failed: 0 },
    });
    expect(await processor.submit("insert", "c", "1", {})).toEqual({ id: "1" });
    await processor.close();
  });

  it("of one element of an array fails that element alone", async () => {
    const processor = new BatchProcessor(async () => {});
    const documents = [{ id: "1" }, { id: "2" }, { id: "3" }];
    Object.defineProperty(documents, 1, {
      get: () => {
        throw new Error("unreadable");
      },
    });
    const added = processor.submitAll("insert", "c", documents).catch((error: unknown) => error);
    expect(await processor.flush()).toMatchObject({
      successful: 2,
      errors: [{ index: 1, code: "FORMDB_INVALID_DOCUMENT", outcome: "rejected" }],
    });
    expect(await added).toMatchObject({ successful: 2, errors: [{ index: 1 }] });
  });
});

it("an id that generateId gives is checked and written as every other", async () => {
  const ids: unknown[] = [];
  let last = 8;
  const made = (): unknown => (++last === 11 ? "" : last);
  const processor = new BatchProcessor(
    async ({ operations }) => {
      ids.push(...operations.map(({ id }) => id));
    },
    { generateId: made as () => string },
  );
  processor.insert("c", [{ n: 1 }, { n: 2 }, { n: 3 }]);
  expect(await processor.flush()).toMatchObject({
    successful: 2,
    errors: [{ index: 2, code: "FORMDB_INVALID_ID" }],
  });
  expect(ids).toEqual(["10", "9"]);
  expect(processor.stats()).toMatchObject({ held: 0, heldBytes: 0 });
});

it("a captureContext or random that throws loses no operation", async () => {
  const fails = (): never => {
    throw new Error("no");
  };
  let sent = 0;
  const processor = new BatchProcessor(
    async () => {
      if (++sent === 1) throw new FormDBError("FORMDB_BUSY", "busy");
    },
    { captureContext: fails, random: fails, backoff: { baseMs: 0, maxMs: 0 } },
  );
  processor.insert("c", [{ id: "1" }, { id: "2" }]);
  expect(await processor.flush()).toEqual({ successful: 2, failed: 0, errors: [] });
});
