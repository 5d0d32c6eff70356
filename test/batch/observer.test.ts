import { describe, expect, it } from "vitest";
import { FormDBError } from "../../src/base/errors.ts";
import { BATCH_EVENTS, type BatchObserver } from "../../src/base/observer.ts";
import type { BatchOptions } from "../../src/batch/batch-options.ts";
import { BatchProcessor } from "../../src/batch/batch-processor.ts";
import type { BatchGroup } from "../../src/batch/group.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** All events in their order, as text. */
function recorded(): { events: string[]; observer: BatchObserver } {
  const events: string[] = [];
  const observer = Object.fromEntries(
    BATCH_EVENTS.map((name) => [name, (...values: unknown[]) => events.push([name, ...values].join(" "))]),
  );
  return { events, observer };
}

/** A processor whose groups take 10 ms and then end as `answer` has it. */
function observed(
  answer: (group: BatchGroup, sending: number) => void,
  options: BatchOptions = {},
): { clock: ManualClock; events: string[]; processor: BatchProcessor } {
  const clock = new ManualClock();
  const { events, observer } = recorded();
  let sending = 0;
  const processor = new BatchProcessor(
    async (group) => {
      await new Promise<void>((resolve) => {
        clock.schedule(resolve, 10);
      });
      answer(group, ++sending);
    },
    { clock, observer, random: () => 1, backoff: { baseMs: 100 }, ...options },
  );
  return { clock, events, processor };
}

const doc = (id: string, value = ""): { id: string; value: string } => ({ id, value });

describe("an observer of a batch processor is told", () => {
  it("of each operation, of the flush and its reason, and of how each ended", async () => {
    const { clock, events, processor } = observed(() => {});
    processor.insert("c", [doc("a"), doc("b")]);
    void processor.flush();
    await clock.advance(100);
    expect(events).toEqual([
      "queued insert 22",
      "queued insert 22",
      "flushStarted explicit 2 44 0",
      "settled insert applied",
      "settled insert applied",
      "flushFinished 2 10",
    ]);
  });

  it("of every reason to send", async () => {
    const reasons = async (
      options: BatchOptions,
      act: (processor: BatchProcessor) => void,
    ): Promise<string[]> => {
      const { clock, events, processor } = observed(() => {}, options);
      act(processor);
      await clock.advance(1_000);
      return events
        .filter((event) => event.startsWith("flushStarted"))
        .map((event) => event.split(" ").slice(1, 3).join(" "));
    };
    const three = (processor: BatchProcessor): void => processor.insert("c", [doc("a"), doc("b"), doc("d")]);
    expect(await reasons({}, three)).toEqual(["eager 3"]);
    expect(await reasons({ eager: false }, three)).toEqual(["interval 3"]);
    expect(await reasons({ eager: false, maxBatchSize: 3 }, three)).toEqual(["size 3"]);
    expect(await reasons({ eager: false, maxBatchBytes: 66 }, three)).toEqual(["bytes 3"]);
    expect(
      await reasons({ eager: false }, (processor) => {
        three(processor);
        void processor.close();
      }),
    ).toEqual(["close 3"]);
  });

  it("how long the oldest operation had waited", async () => {
    const { clock, events, processor } = observed(() => {}, { eager: false });
    processor.insert("c", doc("a"));
    await clock.advance(60);
    processor.insert("c", doc("b"));
    await clock.advance(60);
    expect(events).toContain("flushStarted interval 2 44 100");
  });

  it("of retries with the attempt that failed, and of one flush for all of them", async () => {
    const { clock, events, processor } = observed((_, sending) => {
      if (sending < 3) throw new FormDBError("FORMDB_BUSY", "busy");
    });
    processor.upsert("c", doc("a"));
    await clock.advance(1_000);
    expect(events).toEqual([
      "queued upsert 22",
      "flushStarted eager 1 22 0",
      "retried 1 1",
      "flushFinished 1 10",
      "retried 1 2",
      "settled upsert applied",
    ]);
  });

  it("of groups that are parted, and of the operations that are refused", async () => {
    const { clock, events, processor } = observed(({ operations }) => {
      if (operations.some(({ json }) => json.includes("bad")))
        throw new FormDBError("FORMDB_CONSTRAINT", "bad");
    });
    void processor.submitAll("insert", "c", [doc("a"), doc("b", "bad"), doc("d")]);
    await clock.advance(1_000);
    expect(events.filter((event) => !event.startsWith("queued"))).toEqual([
      "flushStarted eager 3 69 0",
      "bisected 3",
      "flushFinished 3 10",
      "settled insert applied",
      "bisected 2",
      "settled insert rejected",
      "failed FORMDB_CONSTRAINT ",
      "settled insert applied",
    ]);
  });

  it("of writes whose outcome nobody knows", async () => {
    const { clock, events, processor } = observed(() => {
      throw Object.assign(new Error("reset"), { code: "ECONNRESET" });
    });
    void processor.submitAll("delete", "c", ["a"]);
    await clock.advance(100);
    expect(events).toContain("settled delete unknown");
  });

  it("of all operations, also where several were sent as one, with the bytes that were sent", async () => {
    const { clock, events, processor } = observed(() => {});
    processor.update("c", [
      { id: "a", document: { x: 1 } },
      { id: "a", document: { y: 2 } },
    ]);
    await clock.advance(100);
    expect(events).toEqual([
      "queued update 8",
      "queued update 8",
      "flushStarted eager 2 14 0",
      "settled update applied",
      "settled update applied",
      "flushFinished 2 10",
    ]);
  });

  it("and its own failures reach nobody", async () => {
    const observer = Object.fromEntries(
      BATCH_EVENTS.map((name) => [
        name,
        () => {
          throw new Error("observer");
        },
      ]),
    );
    const processor = new BatchProcessor(async () => {}, { observer });
    expect(await processor.submitAll("insert", "c", [doc("a")])).toMatchObject({ successful: 1 });
  });
});
