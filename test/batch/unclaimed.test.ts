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

describe("a failure of a call with a result of its own", () => {
  it("reaches onError and the observer where nobody awaits the result", async () => {
    const { clock, told, events, processor } = refused();
    void processor.submitAll("insert", "c", DOCUMENTS);
    await clock.advance(10_000);
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({ code: "FORMDB_CONSTRAINT", failed: 3 });
    expect(events).toEqual([...Array(3).fill("FORMDB_CONSTRAINT 23514"), "3 unawaited"]);
  });

  it("is reported once by close, which does not wait for a timer", async () => {
    const { clock, told, processor } = refused();
    void processor.submitAll("insert", "c", DOCUMENTS);
    await processor.close();
    expect(told).toHaveLength(1);
    await clock.advance(10_000);
    expect(told).toHaveLength(1);
  });

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
  };
  it.each(Object.entries(ways))("is nobody else's business where the caller %s", async (_, call) => {
    const { clock, told, events, processor } = refused();
    const called = call(processor, DOCUMENTS);
    await clock.advance(10_000);
    await called;
    // What is refused at once is known before anybody can await it.
    const wrong = call(processor, [1, 2]);
    await clock.advance(10_000);
    await wrong;
    expect(told).toEqual([]);
    expect(events.filter((event) => event.includes("unawaited"))).toEqual([]);
  });

  it("keeps no timer, and so no process, where it is awaited", async () => {
    const { clock, processor } = refused();
    await processor.submitAll("insert", "c", [1, 2]);
    expect(clock.pending).toBe(0);
  });
});

describe("a failure of what was only added", () => {
  it("is counted by its code, whoever is told of it", async () => {
    const { clock, events, processor } = refused();
    void processor.insert("c", DOCUMENTS.slice(0, 1));
    await clock.advance(10);
    await processor.flush();
    expect(events).toEqual(["FORMDB_CONSTRAINT 23514"]);
    void processor.insert("c", 7);
    await clock.advance(10_000);
    expect(events.slice(1)).toEqual(["FORMDB_INVALID_DOCUMENT ", "1 unawaited"]);
  });
});
