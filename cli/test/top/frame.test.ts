import stringWidth from "string-width";
import { expect, it } from "vitest";
import type { Paint } from "../../src/print/colours.ts";
import { frame, plainLine, type View } from "../../src/top/frame.ts";
import { sparkline } from "../../src/top/sparkline.ts";
import { CALM, POOL } from "../live/live-events.ts";

const PLAIN: Paint = (_style, text) => text;
const VIEW: View = {
  address: "http://127.0.0.1:8080",
  events: Array.from({ length: 40 }, (_, n) => ({
    ...CALM,
    queries: { ...CALM.queries, count: n * 100 },
    errors: { FORMDB_BUSY: 3 },
    pools: [{ ...POOL, inUse: 4, waiting: 7, oldestWaitMs: 1_234 }],
  })),
  statements: Array.from({ length: 50 }, (_, n) => ({
    shape: `SELECT name FROM users\nWHERE city = $1 AND 名前 = '\u001b[31m' AND n${n} = $2`,
    calls: 1_234_567,
    errors: 0,
    totalMs: 500_000 - n,
    meanMs: 0.4,
    p99Ms: 12,
  })),
  lost: undefined,
};

it.each([
  [80, 24],
  [120, 40],
  [40, 10],
  [20, 5],
])("fits into %i × %i", (columns, rows) => {
  const lines = frame(VIEW, { columns, rows, paint: PLAIN }).split("\n");
  expect(lines.length).toBeLessThan(rows);
  for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(columns);
});

it("80 × 24 has the verdict, rates, times, plans, pool, reads, writes, loop, errors and the first statements", () => {
  const text = frame(VIEW, { columns: 80, rows: 24, paint: PLAIN });
  expect(text).toContain("● pool dry  4 of 4 connections of the pool main are in use and 7 callers wait");
  expect(text).toMatch(/^queries {2}3 900\/s {3}errors 0\/s {3}under way 1 +▁?[▁-█]{20,}$/m);
  expect(text).toMatch(/^time, ms p50 1.00 {3}p95 2.00 {3}p99 3.00/m);
  expect(text).toMatch(/^plans {4}99.0% hits {3}20 of 1 000 cached {3}misses cold 1.0\/s/m);
  expect(text).toMatch(/^pool {5}main 4 of 4 in use, 2 idle, 7 wait, 1 234 ms/m);
  expect(text).toMatch(/^writes {3}10 rows a flush, 2.0 flushes\/s, 0 queued/m);
  expect(text).toMatch(/^errors {3}FORMDB_BUSY 3.0\/s/m);
  expect(text).toMatch(
    /^SELECT name FROM users WHERE city = \$1 A.*… {5}8 min {2}1 234 567 {5}0.40 {5}12.0$/m,
  );
  expect(text).not.toContain("\u001b");
});

it("names that steer a terminal are shown as escapes, on the screen and in lines", () => {
  const evil = "main\u001b[2J\u009b31m\n";
  const events = VIEW.events.map((event) => ({
    ...event,
    profile: evil,
    pools: [{ ...POOL, name: evil, inUse: 4, waiting: 7, oldestWaitMs: 1_234 }],
  }));
  const texts = [
    ...frame({ ...VIEW, events }, { columns: 200, rows: 24, paint: PLAIN }).split("\n"),
    plainLine(events),
  ];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  for (const text of texts) expect(text).not.toMatch(/[\0-\x1f\x7f-\x9f]/);
  expect(texts.filter((text) => text.includes("main\\u001b[2J"))).toHaveLength(4);
});

it("a lost connection is told above the last figures", () => {
  const text = frame({ ...VIEW, lost: "ECONNREFUSED" }, { columns: 80, rows: 24, paint: PLAIN });
  expect(text.split("\n")[1]).toBe("The connection is lost (ECONNREFUSED); trying again …");
  expect(text).toContain("queries");
});

it("a page of metrics has no statements, and says so", () => {
  const text = frame({ ...VIEW, statements: undefined }, { columns: 80, rows: 24, paint: PLAIN });
  expect(text).toContain("The statements are told by `formdb serve`");
});

it("a plain line has no blank within a number", () => {
  expect(plainLine(VIEW.events)).toBe(
    "2023-11-14T22:13:20.000Z queries/s=3900 errors/s=0 p50=1.00ms p95=2.00ms p99=3.00ms hits=99.0% main=4/4+7 queued=0 " +
      'loop_p99=3.00ms verdict="pool dry"',
  );
});

it("a line of bars begins at zero and ends with the last value", () => {
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7, 8], 9)).toBe("▁▁▂▃▄▅▆▇█");
  expect(sparkline([5, 5], 4)).toBe("  ██");
  expect(sparkline([0, 0, Number.NaN], 3)).toBe("▁▁▁");
});
