import { describe, expect, it } from "vitest";
import { FormDBError } from "../../src/base/errors.ts";
import { BatchProcessor } from "../../src/batch/batch-processor.ts";
import type { BatchGroup } from "../../src/batch/group.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";

const docs = (count: number, from = 0): { id: string }[] =>
  Array.from({ length: count }, (_, i) => ({ id: `d${String(from + i).padStart(6, "0")}` }));
const ids = (group: BatchGroup): string[] => group.operations.map(({ id }) => id);

/** An `execute` whose groups stay in flight until they are let go. */
function held(): {
  groups: BatchGroup[];
  release: (() => void)[];
  execute: (group: BatchGroup) => Promise<void>;
} {
  const groups: BatchGroup[] = [];
  const release: (() => void)[] = [];
  return {
    groups,
    release,
    execute: (group) => {
      groups.push(group);
      return new Promise((resolve) => release.push(resolve));
    },
  };
}

function recorded(): { groups: BatchGroup[]; execute: (group: BatchGroup) => Promise<void> } {
  const groups: BatchGroup[] = [];
  return { groups, execute: async (group) => void groups.push(group) };
}

const lazy = { eager: false, flushIntervalMs: Number.POSITIVE_INFINITY };

describe("a batch processor", () => {
  it("counts what was added since the last flush, by index across kinds", async () => {
    const duplicate = new FormDBError("FORMDB_DUPLICATE_ID", "taken");
    const processor = new BatchProcessor(async ({ operations }) =>
      operations.map(({ id }) => (id === "2" || id === "7" ? { error: duplicate } : {})),
    );
    processor.insert("users", [{ id: "1" }, { id: "2" }]);
    processor.update("users", [{ id: "3", document: { a: 1 } }]);
    processor.delete("users", ["6", "7"]);
    expect(await processor.flush()).toEqual({
      successful: 3,
      failed: 2,
      errors: [
        { index: 1, id: "2", code: "FORMDB_DUPLICATE_ID", error: "taken", attempts: 1, outcome: "rejected" },
        { index: 4, id: "7", code: "FORMDB_DUPLICATE_ID", error: "taken", attempts: 1, outcome: "rejected" },
      ],
    });
    expect(await processor.flush()).toEqual({ successful: 0, failed: 0, errors: [] });
  });

  it("makes one group of a hundred writes that are awaited at once, and again when their callers go on", async () => {
    const { groups, execute } = recorded();
    const processor = new BatchProcessor(execute);
    const caller = async (i: number): Promise<void> => {
      for (let round = 0; round < 3; round++)
        await processor.submit("insert", "users", undefined, { id: `${i}-${round}` });
    };
    await Promise.all(Array.from({ length: 100 }, (_, i) => caller(i)));
    expect(groups.map(({ operations }) => operations.length)).toEqual([100, 100, 100]);
  });

  it("sends a lone write without waiting for a timer", async () => {
    const clock = new ManualClock();
    const processor = new BatchProcessor(async () => {}, { clock });
    expect(await processor.submit("upsert", "users", undefined, { id: 5 })).toEqual({ id: "5" });
    expect(clock.now()).toBe(0);
  });

  it("grows the next batch while one is in flight", async () => {
    const { groups, release, execute } = held();
    const processor = new BatchProcessor(execute);
    processor.insert("users", docs(1));
    await settle();
    for (let i = 1; i <= 50; i++) {
      processor.insert("users", docs(1, i));
      await settle();
    }
    expect(groups).toHaveLength(1);
    release[0]!();
    await settle();
    expect(groups.map(({ operations }) => operations.length)).toEqual([1, 50]);
    release[1]!();
    await processor.flush();
  });

  it("sends a full batch at once and keeps the rest for its time", async () => {
    const clock = new ManualClock();
    const { groups, execute } = recorded();
    const processor = new BatchProcessor(execute, {
      eager: false,
      maxBatchSize: 10,
      flushIntervalMs: 100,
      clock,
    });
    processor.insert("users", docs(25));
    await settle();
    expect(groups.map(({ operations }) => operations.length)).toEqual([10, 10]);
    await clock.advance(99);
    expect(groups).toHaveLength(2);
    await clock.advance(1);
    expect(groups.map(({ operations }) => operations.length)).toEqual([10, 10, 5]);
  });

  it("bounds the age of the oldest operation, whatever comes after it", async () => {
    const clock = new ManualClock();
    const { groups, execute } = recorded();
    const processor = new BatchProcessor(execute, { eager: false, flushIntervalMs: 100, clock });
    for (let ms = 0; ms < 200; ms += 20) {
      processor.insert("users", docs(1, ms));
      await clock.advance(20);
    }
    expect(groups.map(({ operations }) => operations.length)).toEqual([5, 5]);
  });

  it("parts by bytes, and sends an operation beyond the limit alone", async () => {
    const { groups, execute } = recorded();
    const processor = new BatchProcessor(execute, { ...lazy, maxBatchBytes: 100 });
    for (const [id, length] of [
      ["a", 30],
      ["b", 30],
      ["c", 500],
      ["d", 30],
    ] as const) {
      processor.insert("users", { id, text: "x".repeat(length) });
    }
    await processor.flush();
    expect(groups.flatMap(ids)).toEqual(["a", "b", "c", "d"]);
    expect(groups.find((group) => ids(group).includes("c"))!.operations).toHaveLength(1);
  });

  it("groups by kind and collection, with distinct ids in code point order", async () => {
    const { groups, execute } = recorded();
    const processor = new BatchProcessor(execute, lazy);
    processor.insert("users", [{ id: "\u{1F600}" }, { id: "\uFF5E" }, { id: "b" }, { id: "a" }]);
    processor.insert("pets", { id: "a" });
    processor.upsert("users", { id: "c" });
    processor.delete("users", ["a"]);
    await processor.flush();
    expect(groups.map((group) => [group.kind, group.collection, ids(group)])).toEqual([
      ["insert", "users", ["a", "b", "\uFF5E", "\u{1F600}"]],
      ["insert", "pets", ["a"]],
      ["upsert", "users", ["c"]],
      ["delete", "users", ["a"]],
    ]);
  });

  it("never has two operations of one id under way, and keeps their order", async () => {
    const { groups, release, execute } = held();
    const processor = new BatchProcessor(execute, { concurrency: 8 });
    const done = processor.submitAll("update", "users", [
      { id: "x", document: { n: 1 } },
      { id: "y", document: { n: 1 } },
      { id: "x", document: { n: 2 } },
      { id: "x", document: { n: 3 } },
    ]);
    processor.delete("users", ["x"]);
    const flushed = processor.flush();
    for (let i = 0; i < 4; i++) {
      await settle();
      expect(groups).toHaveLength(i + 1);
      release[i]!();
    }
    expect(groups.map((group) => [group.kind, group.operations.map(({ json, id }) => id + json)])).toEqual([
      ["update", ['x{"n":1}', 'y{"n":1}']],
      ["update", ['x{"n":2}']],
      ["update", ['x{"n":3}']],
      ["delete", ["x"]],
    ]);
    expect(await done).toEqual({ successful: 4, failed: 0, errors: [] });
    expect((await flushed).successful).toBe(5);
  });

  it("refuses invalid operations one by one and sends the others", async () => {
    const processor = new BatchProcessor(async () => {});
    const insert = await processor.submitAll("insert", "users", [
      { id: "1" },
      7,
      { id: "" },
      { a: 1n },
      { b: 1 },
    ]);
    expect(insert.successful).toBe(2);
    expect(insert.errors.map(({ index, code, attempts }) => [index, code, attempts])).toEqual([
      [1, "FORMDB_INVALID_DOCUMENT", 0],
      [2, "FORMDB_INVALID_ID", 0],
      [3, "FORMDB_INVALID_DOCUMENT", 0],
    ]);
    const update = await processor.submitAll("update", "users", [
      { id: "1", document: { id: "2" } },
      { id: "1", document: { id: "1", a: null } },
      undefined,
      { document: {} },
    ]);
    expect(update.errors.map(({ index, code }) => [index, code])).toEqual([
      [0, "FORMDB_INVALID_ID"],
      [2, "FORMDB_INVALID_DOCUMENT"],
      [3, "FORMDB_INVALID_ID"],
    ]);
  });

  it("gives concurrent flushes each a true result", async () => {
    const { release, execute } = held();
    const processor = new BatchProcessor(execute, { maxBatchSize: 2 });
    processor.insert("users", docs(2));
    const first = processor.flush();
    processor.insert("users", docs(1, 10));
    const second = processor.flush();
    let secondDone = false;
    void second.then(() => {
      secondDone = true;
    });
    await settle();
    expect(secondDone).toBe(false);
    release[0]!();
    await settle();
    release[1]!();
    expect(await first).toMatchObject({ successful: 2 });
    expect(await second).toMatchObject({ successful: 1 });
  });

  it("gives a document without an id one that sorts after the one before", async () => {
    const processor = new BatchProcessor(async () => {});
    const made = await Promise.all(
      Array.from({ length: 50 }, async () => (await processor.submit("insert", "users", undefined, {})).id),
    );
    expect(made.toSorted()).toEqual(made);
    expect(new Set(made).size).toBe(50);
    expect(made[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it("refuses options by name", () => {
    for (const [options, message] of [
      [{ maxBatchSise: 1 }, /maxBatchSise.*maxBatchSize/],
      [{ maxBatchSize: 0 }, /maxBatchSize must be/],
      [{ backoff: { baseMs: 10, maxMs: 5 } }, /maxMs/],
      [{ adaptive: {} }, /targetMs/],
      [{ spill: {} }, /lookUpToken/],
    ] as const) {
      expect(() => new BatchProcessor(async () => {}, options as never)).toThrow(message);
    }
  });
});
