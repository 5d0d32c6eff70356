import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { MessageChannel, Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { exportSnapshot, mergeSnapshots } from "../../src/metrics/cluster/aggregate.ts";
import {
  answerSnapshots,
  portChannel,
  type SnapshotChannel,
  SnapshotCollector,
} from "../../src/metrics/cluster/collector.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { parseExposition } from "./exposition-parser.ts";

/** Two ends of a channel within this process; messages arrive at once, as copies. */
function pair(): [SnapshotChannel, SnapshotChannel] {
  const listeners: Set<(message: unknown) => void>[] = [new Set(), new Set()];
  const end = (own: number): SnapshotChannel => ({
    send: (message) => {
      for (const listener of listeners[1 - own]!) listener(structuredClone(message));
    },
    receive: (listener) => {
      listeners[own]!.add(listener);
      return () => listeners[own]!.delete(listener);
    },
  });
  return [end(0), end(1)];
}

function worker(queries: number[]): Metrics {
  const metrics = new Metrics();
  for (const ms of queries) metrics.recordQuery(ms, { operation: "get", collection: "users" });
  return metrics;
}

describe("mergeSnapshots", () => {
  test("gives what one process would have counted that did the work of all", () => {
    const together = worker([1, 20, 3, 400]);
    const merged = mergeSnapshots([
      worker([1, 20]).snapshot(),
      worker([3]).snapshot(),
      worker([400]).snapshot(),
    ]);
    const strip = (text: string): string => text.replace(/^formdb_query_latency_ms .*\n/m, "");
    for (const format of ["prometheus", "openmetrics"] as const) {
      expect(strip(exportSnapshot(merged, format))).toBe(strip(together.export(format)));
    }
  });

  test("adds gauges, or takes their largest or mean value, as the catalogue says", () => {
    const make = (bytes: number, ratio: number, age: number): Metrics => {
      const metrics = new Metrics();
      metrics.observeCache(() => ({ size: 1, bytes, hitRateAtDoubleSize: ratio }));
      metrics.observeBatch(() => ({ queued: 2, oldestMs: age }));
      metrics.gauge("mine", "Mine.").set(-bytes);
      return metrics;
    };
    const merged = mergeSnapshots([make(10, 0.5, 1_000).snapshot(), make(20, 0.75, 500).snapshot()]);
    const lines = exportSnapshot(merged).split("\n");
    expect(lines).toEqual(
      expect.arrayContaining([
        "formdb_cache_bytes 30",
        "formdb_cache_doubled_hit_ratio 0.625",
        "formdb_batch_queue_oldest_age_seconds 1",
        "formdb_batch_size 4",
        "formdb_mine -30",
      ]),
    );
  });

  test("keeps series that only one has, and survives JSON", () => {
    const one = new Metrics();
    one.counter("jobs_total", "Jobs.", ["kind"]).labels({ kind: 'a"b' }).inc();
    const other = new Metrics();
    other.counter("jobs_total", "Jobs.", ["kind"]).labels({ kind: "c" }).inc(2);
    other.gauge("odd", "Odd.").set(Number.NaN);
    const carried = [one, other].map((metrics) => JSON.parse(JSON.stringify(metrics.snapshot())));
    const families = parseExposition(exportSnapshot(mergeSnapshots(carried), "openmetrics"), "openmetrics");
    expect(families.get("formdb_jobs")!.samples.map(({ labels, value }) => [labels.kind, value])).toEqual([
      ['a"b', 1],
      ["c", 2],
    ]);
    expect(families.get("formdb_odd")!.samples[0]!.value).toBeNaN();
  });

  test("keeps the constant labels on which all agree", () => {
    const one = new Metrics({ constLabels: { region: "eu", worker: "1" } });
    const other = new Metrics({ constLabels: { region: "eu", worker: "2" } });
    one.recordQuery(1);
    const text = exportSnapshot(mergeSnapshots([one.snapshot(), other.snapshot(), { families: [] }]));
    expect(text).toContain('\nformdb_query_total{region="eu"} 1\n');
  });

  test("refuses metrics that are not the same everywhere", () => {
    const one = new Metrics({ buckets: [1, 2] });
    expect(() => mergeSnapshots([one.snapshot(), new Metrics().snapshot()])).toThrow(
      expect.objectContaining({
        code: "FORMDB_CONFIG",
        message: expect.stringContaining("query_duration_seconds"),
      }),
    );
  });
});

describe("SnapshotCollector", () => {
  test("sums its members and itself", async () => {
    const collector = new SnapshotCollector({ own: worker([1]), clock: new ManualClock() });
    for (const id of ["a", "b"]) {
      const [here, there] = pair();
      answerSnapshots(worker([1, 2]), there);
      collector.attach(id, here);
    }
    expect(await collector.exportAsync()).toContain("\nformdb_query_total 5\n");
    expect(await collector.exportAsync("openmetrics")).toMatch(/# EOF\n$/);
  });

  test("keeps what a member had counted after it has gone, but not its gauges", async () => {
    const collector = new SnapshotCollector({ clock: new ManualClock() });
    const [here, there] = pair();
    const metrics = worker([1, 2]);
    metrics.observeBatch(() => ({ queued: 4 }));
    answerSnapshots(metrics, there);
    collector.attach("a", here);
    expect(await collector.exportAsync()).toContain("\nformdb_batch_size 4\n");
    collector.detach("a");
    const text = await collector.exportAsync();
    expect(text).toContain("\nformdb_query_total 2\n");
    expect(text).not.toContain("formdb_batch_size");
    const [again, other] = pair();
    answerSnapshots(worker([3]), other);
    collector.attach("a", again);
    expect(await collector.exportAsync()).toContain("\nformdb_query_total 3\n");
  });

  test("does not wait for ever: of a silent member, what it said before stands", async () => {
    const clock = new ManualClock();
    const collector = new SnapshotCollector({ clock, timeoutMs: 1_000 });
    const [here, there] = pair();
    const stop = answerSnapshots(worker([1]), there);
    collector.attach("a", here);
    await collector.collect();
    stop();
    const [silent] = pair();
    collector.attach("b", silent);
    const collecting = collector.exportAsync();
    let settled = false;
    void collecting.then(() => {
      settled = true;
    });
    await clock.advance(999);
    expect(settled).toBe(false);
    await clock.advance(1);
    expect(await collecting).toContain("\nformdb_query_total 1\n");
    expect(clock.pending).toBe(0);
  });

  test("survives a channel that is closed, and one whose member goes while it is asked", async () => {
    const clock = new ManualClock();
    const collector = new SnapshotCollector({ clock });
    collector.attach("closed", {
      send: () => {
        throw new Error("closed");
      },
      receive: () => () => {},
    });
    const [silent] = pair();
    collector.attach("going", silent);
    const collecting = collector.collect();
    collector.detach("going");
    expect((await collecting).families).toEqual([]);
  });

  test("asks once for calls at the same time, and has a limit", async () => {
    const collector = new SnapshotCollector({ maxMembers: 1, clock: new ManualClock() });
    let asked = 0;
    collector.attach("a", { send: () => asked++, receive: () => () => {} });
    void collector.collect();
    void collector.collect();
    expect(asked).toBe(1);
    expect(() => collector.attach("b", pair()[0])).toThrow(/at most 1/);
  });

  test("collects from real worker threads, whose metrics do not keep them alive", async () => {
    const source = (path: string): string => new URL(`../../src/metrics/${path}`, import.meta.url).href;
    const code = `
      const { workerData, parentPort } = require("node:worker_threads");
      (async () => {
        const { Metrics } = await import(${JSON.stringify(source("metrics.ts"))});
        const { answerSnapshots, portChannel } = await import(${JSON.stringify(source("cluster/collector.ts"))});
        const metrics = new Metrics();
        for (let i = 0; i < workerData.queries; i++) metrics.recordQuery(1);
        answerSnapshots(metrics, portChannel(workerData.port));
        parentPort.once("message", () => {});
        parentPort.postMessage("ready");
      })();`;
    const collector = new SnapshotCollector({ timeoutMs: 30_000 });
    const workers = await Promise.all(
      [2, 3].map(async (queries, i) => {
        const { port1, port2 } = new MessageChannel();
        const thread = new Worker(code, {
          eval: true,
          workerData: { queries, port: port2 },
          transferList: [port2],
        });
        const ended = new Promise<number>((resolve) => thread.once("exit", resolve));
        await new Promise((resolve, reject) => {
          thread.once("message", resolve);
          thread.once("error", reject);
        });
        collector.attach(`worker ${i}`, portChannel(port1));
        return { thread, ended };
      }),
    );
    expect(await collector.exportAsync()).toContain("\nformdb_query_total 5\n");
    for (const { thread } of workers) thread.postMessage("end");
    expect(await Promise.all(workers.map(({ ended }) => ended))).toEqual([0, 0]);
  });

  test("collects from a real cluster, and keeps what a killed worker had counted", () => {
    const program = fileURLToPath(new URL("./cluster-fixture.ts", import.meta.url));
    const output = execFileSync(process.execPath, [program], { timeout: 50_000 });
    expect(output.toString()).toBe("6\n6\n6\n");
  });
});
