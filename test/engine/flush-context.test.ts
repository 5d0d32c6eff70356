import { AsyncLocalStorage } from "node:async_hooks";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { open } from "../../src/engine/open.ts";
import { channels } from "../../src/metrics/tracing-channels.ts";

const request = new AsyncLocalStorage<string>();
const flushes: (string | undefined)[] = [];
const subscriber = {
  start: ({ collection }: { readonly collection: string }): void => {
    flushes.push(`${request.getStore()} writes ${collection}`);
  },
};

beforeAll(() => channels.batchFlush.subscribe(subscriber as never));
afterAll(() => channels.batchFlush.unsubscribe(subscriber as never));

describe("a flush is traced under a call whose write it sends", () => {
  it("and not under the one whose flush ended before it", async () => {
    await using db = await open("sqlite::memory:", { batch: { maxQueued: 3 } });
    await db.createCollection("a");
    const write = (who: string, collection: string, count: number): Promise<unknown> =>
      request.run(who, () =>
        db.batchInsert(
          collection,
          Array.from({ length: count }, () => ({})),
        ),
      );
    flushes.length = 0;
    await Promise.all([
      write("first", "a", 1),
      write("second", "b", 2),
      // More than there is room for: the rest is added when others have made room.
      write("third", "c", 5),
      request.run("fourth", () => db.insert("d", {})),
    ]);
    expect(new Set(flushes)).toEqual(
      new Set(["first writes a", "second writes b", "third writes c", "fourth writes d"]),
    );
  });
});
