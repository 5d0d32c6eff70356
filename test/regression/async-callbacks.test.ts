import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { guardObservers, QUERY_EVENTS, type QueryObserver } from "../../src/base/observer.ts";
import { BatchProcessor } from "../../src/batch/batch-processor.ts";
import { open } from "../../src/engine/open.ts";
import { SnapshotCollector } from "../../src/metrics/cluster/collector.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { SlowLog } from "../../src/metrics/slow-log.ts";
import { Pool } from "../../src/pool/pool.ts";
import { endedQuery } from "../support/ended-query.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** What would have ended the process. */
const unhandled: unknown[] = [];
const note = (error: unknown): unknown => unhandled.push(error);
beforeEach(() => {
  unhandled.length = 0;
  process.on("unhandledRejection", note);
});
afterEach(() => process.off("unhandledRejection", note));

const turns = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
};

let calls = 0;
const rejecting = async (): Promise<never> => {
  calls++;
  throw new Error("the application's own");
};
beforeEach(() => {
  calls = 0;
});

describe("an async callback that rejects ends nothing", () => {
  it("as an observer's method, told by parts and by a database", async () => {
    const guarded = guardObservers<QueryObserver>(QUERY_EVENTS, [{ queryFinished: rejecting }]);
    guarded.queryFinished(endedQuery());
    expect(calls).toBe(1);
    const observer = { queryFinished: rejecting, hit: rejecting, acquired: rejecting, settled: rejecting };
    await using db = await open("sqlite::memory:", { observer });
    await db.batchInsert("c", [{ id: "1" }]);
    expect((await db.query("SELECT * FROM c")).rowCount).toBe(1);
    await turns();
    expect(calls).toBeGreaterThan(3);
    expect(unhandled).toEqual([]);
  });

  it("as onError of a batch", async () => {
    const fails = async (): Promise<never> => {
      throw new Error("no database");
    };
    const processor = new BatchProcessor(fails, { onError: rejecting });
    void processor.insert("c", [{ id: "1" }]);
    await processor.close();
    await turns();
    expect(calls).toBeGreaterThan(0);
    expect(unhandled).toEqual([]);
  });

  it("as onAccepted of a batch's call", async () => {
    const processor = new BatchProcessor(async () => {});
    await processor.submitAll("insert", "c", [{ id: "1" }], { onAccepted: rejecting });
    await turns();
    expect(calls).toBe(1);
    expect(unhandled).toEqual([]);
  });

  it("as onError of a collector of snapshots, and as a slow log's writer", async () => {
    const families = (help: string, type: "counter" | "gauge") => ({
      families: [{ name: "jobs", type, help, labels: [], series: [] }],
    });
    const collector = new SnapshotCollector({
      own: { snapshot: () => families("Jobs.", "counter") },
      onError: rejecting,
    });
    collector.attach("1", {
      send: () => {},
      receive: (listener) => {
        queueMicrotask(() =>
          listener({ type: "formdb:metrics:snapshot", id: 1, snapshot: families("Jobs.", "gauge") }),
        );
        return () => {};
      },
    });
    await collector.collect();
    new SlowLog({ thresholdMs: 0, write: rejecting }).report(endedQuery());
    await turns();
    expect(calls).toBe(2);
    expect(unhandled).toEqual([]);
  });

  it("as what metrics are read from: it counts as a failure, for an export does not wait", async () => {
    const metrics = new Metrics();
    metrics.onCollect(rejecting);
    metrics.gauge("jobs", "Jobs.").collect(rejecting as never);
    metrics.observePool("main", rejecting as never);
    metrics.exemplarsFrom(rejecting as never);
    metrics.recordQuery(1);
    expect(metrics.exportPrometheus()).toContain("formdb_metrics_collect_errors_total 4");
    await turns();
    expect(calls).toBe(4);
    expect(unhandled).toEqual([]);
  });

  it("as a pool's onLeak and isFatal, which is then taken for yes", async () => {
    const clock = new ManualClock();
    const pool = new Pool<object>({
      create: async () => ({}),
      minConnections: 0,
      leakThresholdMs: 100,
      onLeak: rejecting,
      isFatal: rejecting as never,
      clock,
    });
    const lent = await pool.acquire();
    await clock.advance(10_000);
    expect(calls).toBe(1);
    pool.release(lent, new Error("it failed"));
    await turns();
    expect(calls).toBe(2);
    expect(unhandled).toEqual([]);
    expect(pool.stats().idle).toBe(0);
    await pool.close();
  });
});

describe("an import's async callbacks are waited for, and end it if they reject", () => {
  it.each(["onProgress", "onRejected"] as const)("%s", async (callback) => {
    await using db = await open("sqlite::memory:");
    await db.batchInsert("c", [{ id: "1" }]);
    await expect(db.import("c", [{ id: "1" }, { id: "2" }], { [callback]: rejecting })).rejects.toThrow(
      "the application's own",
    );
    await turns();
    expect(unhandled).toEqual([]);
    let done = 0;
    const slow = async (): Promise<void> => {
      await turns();
      done++;
    };
    await db.import("c", [{ id: "1" }], { [callback]: slow });
    expect(done).toBe(1);
  });
});
