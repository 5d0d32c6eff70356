import { describe, expect, test } from "vitest";
import { channels, traced } from "../../src/metrics/tracing-channels.ts";
import { noteTraces } from "../support/traces.ts";

describe("Tracing channels", () => {
  test("have the names that other tools subscribe to", () => {
    expect(channels.query.start.name).toBe("tracing:formdb:query:start");
    expect(channels.poolAcquire.start.name).toBe("tracing:formdb:pool.acquire:start");
    expect(channels.batchFlush.start.name).toBe("tracing:formdb:batch.flush:start");
  });

  test("tell subscribers what began, how it ended and what came of it", async () => {
    const seen: [string, object][] = [];
    const subscribers = noteTraces(seen);
    channels.poolAcquire.subscribe(subscribers);
    const work = async (): Promise<number> => 7;
    expect(await traced(channels.poolAcquire, () => ({ pool: "main" }), work)).toBe(7);
    const fails = async (): Promise<number> => {
      throw new Error("no");
    };
    await expect(traced(channels.poolAcquire, () => ({ pool: "main" }), fails)).rejects.toThrow("no");
    channels.poolAcquire.unsubscribe(subscribers);
    expect(seen.map(([event]) => event)).toEqual([
      ...["start", "end", "asyncStart", "asyncEnd"],
      ...["start", "end", "error", "asyncStart", "asyncEnd"],
    ]);
    expect(seen[0]).toEqual(["start", { pool: "main" }]);
    expect(seen[3]).toEqual(["asyncEnd", { pool: "main", result: 7 }]);
    expect(seen[6]).toMatchObject(["error", { pool: "main", error: { message: "no" } }]);
  });

  test("cost nothing without subscribers: nothing is described, and the work's own promise comes back", () => {
    const promise = Promise.resolve(1);
    const describe = (): never => {
      throw new Error("described");
    };
    expect(traced(channels.query, describe, () => promise)).toBe(promise);
  });
});
