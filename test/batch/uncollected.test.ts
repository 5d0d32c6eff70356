import { describe, expect, it } from "vitest";
import { FormDBError } from "../../src/base/errors.ts";
import { BatchProcessor } from "../../src/batch/batch-processor.ts";
import { ManualClock } from "../support/manual-clock.ts";

const DOCUMENTS = [{ id: "1" }, { id: "2" }, { id: "3" }];

/** A processor that is refused everything, and what it tells. */
function refused(): { clock: ManualClock; told: Error[]; events: string[]; processor: BatchProcessor } {
  const clock = new ManualClock();
  const told: Error[] = [];
  const events: string[] = [];
  const processor = new BatchProcessor(
    async () => {
      throw new FormDBError("FORMDB_CONSTRAINT", "no", { details: { sqlstate: "23514" } });
    },
    {
      clock,
      onError: (error) => told.push(error),
      observer: {
        failed: (code, sqlstate) => events.push(`${code} ${sqlstate}`),
        unawaited: (failures) => events.push(`${failures} unawaited`),
      },
    },
  );
  return { clock, told, events, processor };
}

const ADDED: Record<string, (processor: BatchProcessor) => void> = {
  insert: (processor) => processor.insert("c", DOCUMENTS),
  update: (processor) =>
    processor.update(
      "c",
      DOCUMENTS.map(({ id }) => ({ id, document: {} })),
    ),
  upsert: (processor) => processor.upsert("c", DOCUMENTS),
  delete: (processor) =>
    processor.delete(
      "c",
      DOCUMENTS.map(({ id }) => id),
    ),
};

describe("a failure of a call that returns nothing", () => {
  it.each(Object.entries(ADDED))("of %s reaches onError and the observer at close()", async (_, add) => {
    const { clock, told, events, processor } = refused();
    add(processor);
    await clock.advance(10_000);
    expect(told).toEqual([]);
    expect(events).toEqual(Array(3).fill("FORMDB_CONSTRAINT 23514"));
    expect((await processor.close()).result.failed).toBe(3);
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({ code: "FORMDB_CONSTRAINT", failed: 3 });
    expect(events.slice(3)).toEqual(["3 unawaited"]);
    await clock.advance(10_000);
    expect(told).toHaveLength(1);
  });

  it("is reported once by close, where it comes up only then", async () => {
    const { told, processor } = refused();
    processor.insert("c", DOCUMENTS);
    await processor.close();
    expect(told).toHaveLength(1);
  });

  it.each(Object.entries(ADDED))(
    "of %s is told by the flush that collects it, and not again",
    async (_, add) => {
      const { clock, told, events, processor } = refused();
      add(processor);
      await clock.advance(10);
      expect((await processor.flush()).failed).toBe(3);
      add(processor);
      const flushed = processor.flush();
      await processor.close();
      expect((await flushed).failed).toBe(3);
      expect(told).toEqual([]);
      expect(events.filter((event) => event.includes("unawaited"))).toEqual([]);
    },
  );

  it("is counted by its code, whoever is told of it", async () => {
    const { clock, events, processor } = refused();
    processor.insert("c", DOCUMENTS.slice(0, 1));
    await clock.advance(10);
    await processor.flush();
    expect(events).toEqual(["FORMDB_CONSTRAINT 23514"]);
    processor.insert("c", 7);
    await processor.close();
    expect(events.slice(1)).toEqual(["FORMDB_INVALID_DOCUMENT ", "1 unawaited"]);
  });

  it("and an onError that throws, or rejects, ends nothing", async () => {
    for (const onError of [
      () => {
        throw new Error("mine");
      },
      () => Promise.reject(new Error("mine")),
    ]) {
      const processor = new BatchProcessor(async () => {}, { onError });
      processor.insert("c", 7);
      expect((await processor.close()).result.failed).toBe(1);
    }
    // An unhandled rejection would fail this run.
    await new Promise((resolve) => setImmediate(resolve));
  });
});

describe("a failure of a call that returns a promise", () => {
  const ways: Record<string, (processor: BatchProcessor, items: unknown[]) => Promise<unknown>> = {
    "awaits it": async (processor, items) => processor.submitAll("insert", "c", items),
    "awaits it with others": (processor, items) =>
      Promise.all([processor.submitAll("insert", "c", items), processor.submitAll("insert", "c", items)]),
    "says what then": (processor, items) =>
      processor.submitAll("insert", "c", items).then(({ failed }) => failed),
    "awaits it later": async (processor, items) => {
      const promise = processor.submitAll("insert", "c", items);
      for (let i = 0; i < 50; i++) await undefined;
      return promise;
    },
    "flushes instead": async (processor, items) => {
      void processor.submitAll("insert", "c", items);
      const { failed } = await processor.flush();
      expect(failed).toBe(items.length);
    },
    "does not await it": async (processor, items) => {
      void processor.submitAll("insert", "c", items);
    },
  };
  it.each(Object.entries(ways))("is told by that promise alone, if its caller %s", async (_, call) => {
    const { clock, told, events, processor } = refused();
    const called = call(processor, DOCUMENTS);
    await clock.advance(10_000);
    await called;
    // What is refused at once is known before anybody can await it.
    const wrong = call(processor, [1, 2]);
    await clock.advance(10_000);
    await wrong;
    await processor.close();
    expect(told).toEqual([]);
    expect(events.filter((event) => event.includes("unawaited"))).toEqual([]);
  });

  it("keeps no timer, and so no process", async () => {
    const { clock, processor } = refused();
    await processor.submitAll("insert", "c", [1, 2]);
    processor.insert("c", 7);
    expect(clock.pending).toBe(0);
  });
});
