import { open } from "@formdb/perf";
import { expect, it } from "vitest";
import { eventOf, Interval } from "../../src/live/interval.ts";
import { readMetrics } from "../../src/live/metrics-text.ts";

it("a page of metrics says what the process' own snapshot says", async () => {
  await using db = await open("sqlite::memory:", { metrics: { prefix: "own" } });
  await db.batchInsert("users", [
    { id: "a", n: 1 },
    { id: "b", n: 2 },
  ]);
  for (let n = 0; n < 20; n++) await db.query("SELECT n FROM users WHERE n = $1", [n]);
  await db.query("SELECT n FROM nowhere").catch(() => {});
  const empty = { atMs: 0, families: new Map() };
  const cut = "own_".length;
  const own = new Map(db.metrics.snapshot().families.map((family) => [family.name.slice(cut), family]));
  const text = `${db.metrics.exportPrometheus()}# EOF\nnodejs_other{a="}\\"{"} 4\n`;
  const read = eventOf(new Interval(empty, { atMs: 2_000, families: readMetrics(text) }));
  const direct = eventOf(new Interval(empty, { atMs: 2_000, families: own }));
  expect({ ...read, time: 0 }).toEqual({ ...direct, time: 0 });
  expect(read.queries.count).toBe(21);
  expect(read.queries.errors).toBe(1);
  expect(read.cache).toMatchObject({ hits: 19, misses: 2, maxSize: 1_000 });
  expect(read.pools.map(({ name }) => name)).toEqual(["main"]);
  expect(read.batch.rowsPerFlush).toBe(2);
  expect(read.errorTotals).toEqual({ FORMDB_UNKNOWN_COLLECTION: 1 });
});

it("a label's value has its escapes, and exemplars and times after a value are left out", () => {
  const families = readMetrics(
    'x_query_total 5 # {trace_id="a"} 1\nx_odd{a="q\\"}\\\\n\\n",b="2"} 3 1700000000\nother{a="b"} 1\n',
  );
  expect(families.get("query_total")).toEqual({ labels: [], series: [{ labels: [], value: 5 }] });
  expect(families.get("odd")).toEqual({
    labels: ["a", "b"],
    series: [{ labels: ['q"}\\n\n', "2"], value: 3 }],
  });
  expect(families.has("other")).toBe(false);
});

it("metrics of something else are refused", () => {
  expect(() => readMetrics("process_cpu_seconds_total 4\n")).toThrow(/no metrics of FormDB/);
});

it("hit rates are those of the interval, without the texts that are no queries", () => {
  const at = (atMs: number, hits: number, evicted: number, invalid: number) => ({
    atMs,
    families: readMetrics(
      `f_query_total 0\nf_cache_hits_total ${hits}\nf_cache_misses_total ${evicted + invalid}\n` +
        `f_cache_misses_by_reason_total{reason="cold"} 0\n` +
        `f_cache_misses_by_reason_total{reason="evicted"} ${evicted}\n` +
        `f_cache_misses_by_reason_total{reason="invalid"} ${invalid}\nf_cache_doubled_hit_ratio 0.5\n`,
    ),
  });
  expect(eventOf(new Interval(at(0, 100, 100, 0), at(1_000, 160, 120, 300))).cache).toMatchObject({
    hits: 60,
    misses: 320,
    hitRate: 0.75,
    doubledHitRate: 1,
  });
});

it("a process that began anew counts from zero", () => {
  const at = (atMs: number, queries: number) => ({
    atMs,
    families: readMetrics(`f_query_total ${queries}\n`),
  });
  expect(eventOf(new Interval(at(0, 500), at(1_000, 20))).queries.count).toBe(20);
});
