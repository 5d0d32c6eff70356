import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Metrics } from "../../src/metrics/metrics.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { parseExposition } from "./exposition-parser.ts";

const formats = ["prometheus", "openmetrics"] as const;

/** Strings of any UTF-16 units, lone surrogates included, with many of the characters that are escaped. */
const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.string({ unit: fc.constantFrom("\\", '"', "\n", "n", ",", "}", "=", " ", "#", "\r"), maxLength: 8 }),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 5 })
    .map((units) => String.fromCharCode(...units)),
);
const anyNumber = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom(0, -0, Infinity, -Infinity, Number.NaN),
);

describe.each(formats)("The %s export", (format) => {
  const name = (base: string): string => (format === "openmetrics" ? base : `${base}_total`);

  test("gives any label values back as they were, one series a set", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyText, anyText), { maxLength: 20 }), (sets) => {
        const metrics = new Metrics();
        const counter = metrics.counter("things_total", "Things.", ["a", "b"]);
        const expected = new Map<string, number>();
        for (const [a, b] of sets) {
          counter.labels({ a, b }).inc();
          const key = JSON.stringify([a.toWellFormed(), b.toWellFormed()]);
          expected.set(key, (expected.get(key) ?? 0) + 1);
        }
        const family = parseExposition(metrics.export(format), format).get(name("formdb_things"))!;
        const found = family.samples.map(({ labels, value }) => [
          JSON.stringify([labels.a, labels.b]),
          value,
        ]);
        expect(new Map(found as [string, number][])).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  test("gives any gauge value back as it was", () => {
    fc.assert(
      fc.property(anyNumber, (value) => {
        const metrics = new Metrics();
        metrics.gauge("level", "Level.").set(value);
        const [sample] = parseExposition(metrics.export(format), format).get("formdb_level")!.samples;
        expect(sample!.value === value || Number.isNaN(sample!.value) === Number.isNaN(value)).toBe(true);
        if (!Number.isNaN(value)) expect(sample!.value === value).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("gives any help text back as it was", () => {
    fc.assert(
      fc.property(anyText, (help) => {
        const metrics = new Metrics();
        metrics.gauge("level", help);
        expect(parseExposition(metrics.export(format), format).get("formdb_level")!.help).toBe(
          help.toWellFormed(),
        );
      }),
      { numRuns: 60 },
    );
  });

  test("puts every value into the first bucket whose bound is not below it", () => {
    const bounds = fc.uniqueArray(
      fc.oneof(
        fc.double({ noNaN: true, noDefaultInfinity: true, min: 0 }),
        fc.integer({ min: 0, max: 100 }),
        fc.constantFrom(0, Number.MIN_VALUE, 0.001, 1, 1.25, 1.5, 2, Number.MAX_VALUE),
      ),
      { minLength: 1, maxLength: 12, comparator: (a, b) => a === b },
    );
    fc.assert(
      fc.property(bounds, fc.array(anyNumber, { maxLength: 30 }), (unsorted, others) => {
        const buckets = unsorted.toSorted((a, b) => a - b);
        const values = [...others, ...buckets];
        const metrics = new Metrics();
        const histogram = metrics.histogram("size", "Size.", buckets);
        for (const value of values) histogram.observe(value);
        const counted = values.filter((value) => value >= 0 && value < Infinity);
        const { samples } = parseExposition(metrics.export(format), format).get("formdb_size")!;
        const found = samples
          .filter((sample) => sample.name === "formdb_size_bucket")
          .map(({ value }) => value);
        expect(found).toEqual(
          [...buckets, Infinity].map((bound) => counted.filter((v) => v <= bound).length),
        );
        expect(samples.find((sample) => sample.name === "formdb_size_count")!.value).toBe(counted.length);
        const sum = counted.reduce((total, value) => total + value, 0);
        expect(samples.find((sample) => sample.name === "formdb_size_sum")!.value).toBe(sum);
        expect(metrics.get("metrics_ignored_values_total")).toMatchObject({
          value: values.length - counted.length,
        });
      }),
      { numRuns: 100 },
    );
  });

  test("of everything at once is what a strict parser accepts", async () => {
    const metrics = new Metrics({
      constLabels: { region: 'eu "1"' },
      created: true,
      clock: new ManualClock(),
    });
    metrics.exemplarsFrom(() => ({ trace_id: "4bf92f3577b34da6a3ce929d0e0e4736" }));
    metrics.recordQuery(5.2);
    metrics.recordQuery(0.07, { operation: "select", collection: "users" });
    metrics.recordError("FORMDB_ENGINE", "40001");
    metrics.observePool("main", () => ({ idle: 1, inUse: 2, waiting: 0 }));
    const stop = await metrics.watchEventLoop();
    metrics.histogram("temperature", "Below zero, too.", [-10, 0, 10]).observe(-20);
    const families = parseExposition(metrics.export(format), format);
    stop();
    expect(families.size).toBeGreaterThan(50);
    for (const { name: family, help, type, samples } of families.values()) {
      expect(help, family).toBeDefined();
      expect(type, family).toBeDefined();
      for (const { labels } of samples) expect(labels.region).toBe('eu "1"');
    }
  });

  test("is the same whether it is written at once or in pieces with turns of the event loop between", async () => {
    const metrics = new Metrics({ maxLabelSets: 5_000 });
    const counter = metrics.counter("many_total", "Many.", ["n"]);
    for (let n = 0; n < 5_000; n++) counter.labels({ n }).inc(n);
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const pieces: string[] = [];
    for await (const piece of metrics.exportPieces(format)) pieces.push(piece);
    clearInterval(timer);
    expect(pieces.length).toBeGreaterThan(2);
    expect(pieces.join("")).toBe(metrics.export(format));
    expect(await metrics.exportAsync(format)).toBe(metrics.export(format));
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThan(70_000);
  });
});

test("Large exports let other work run between their pieces", async () => {
  const metrics = new Metrics({ maxLabelSets: 20_000 });
  const counter = metrics.counter("many_total", "Many.", ["n"]);
  for (let n = 0; n < 20_000; n++) counter.labels({ n }).inc();
  let others = 0;
  let done = false;
  const work = (): void => {
    others++;
    if (!done) setImmediate(work);
  };
  setImmediate(work);
  await metrics.exportAsync();
  done = true;
  expect(others).toBeGreaterThan(5);
});

describe("OpenMetrics", () => {
  test("shows a trace beside the bucket and the counter that it is an example of", () => {
    const clock = new ManualClock(1_000_000);
    const metrics = new Metrics({ clock });
    metrics.histogram("work_seconds", "Work.", [0.1, 1]).observe(0.5, { trace_id: "abc" });
    metrics.counter("work_total", "Work.").inc(2, { trace_id: 'd"e' });
    const text = metrics.export("openmetrics");
    expect(text).toContain('formdb_work_seconds_bucket{le="1.0"} 1 # {trace_id="abc"} 0.5 1000\n');
    expect(text).toContain('formdb_work_total 2 # {trace_id="d\\"e"} 2 1000\n');
    expect(metrics.exportPrometheus()).not.toContain("trace_id");
    parseExposition(text, "openmetrics");
  });

  test("leaves out exemplars that would be longer than the format allows", () => {
    const metrics = new Metrics();
    metrics.counter("work_total", "Work.").inc(1, { trace_id: "x".repeat(121) });
    metrics.counter("other_total", "Work.").inc(1, { "no-label": "x" });
    expect(metrics.export("openmetrics")).not.toContain(" # {");
  });

  test("records a query even where the source of its exemplar throws", () => {
    const metrics = new Metrics();
    metrics.exemplarsFrom(() => {
      throw new Error("no tracer");
    });
    metrics.recordQuery(1);
    metrics.exemplarsFrom(() => ({ trace_id: "abc" }));
    metrics.recordQuery(2);
    const text = metrics.export("openmetrics");
    expect(text).toContain("\nformdb_query_total 2\n");
    expect(text.match(/ # \{trace_id="abc"\}/g)).toHaveLength(1);
    expect(text).toContain("\nformdb_metrics_collect_errors_total 1\n");
  });

  test("says since when a counter counts where that is asked for", () => {
    const clock = new ManualClock(5_500);
    const text = new Metrics({ clock, created: true }).export("openmetrics");
    expect(text).toContain("formdb_query_created 5.5\n");
    expect(new Metrics({ clock }).export("openmetrics")).not.toContain("_created");
  });

  test("gives a counter without _total in its name that ending", () => {
    const metrics = new Metrics();
    metrics.counter("jobs", "Jobs.").inc(3);
    expect(metrics.export("openmetrics")).toContain("formdb_jobs_total 3\n");
    expect(metrics.exportPrometheus()).toContain("formdb_jobs 3\n");
  });
});

describe("The parser of these tests", () => {
  const wrong: [string, string][] = [
    ["no TYPE", "a 1\n# EOF\n"],
    ["no EOF", "# TYPE a gauge\na 1\n"],
    ["a series twice", "# TYPE a gauge\na 1\na 2\n# EOF\n"],
    [
      "a falling bucket",
      '# TYPE a histogram\na_bucket{le="1.0"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n# EOF\n',
    ],
    ["another count", '# TYPE a histogram\na_bucket{le="+Inf"} 1\na_sum 1\na_count 2\n# EOF\n'],
    ["a unit that is no suffix", "# TYPE a gauge\n# UNIT a seconds\na 1\n# EOF\n"],
    ["an exemplar on a gauge", '# TYPE a gauge\na 1 # {t="x"} 1\n# EOF\n'],
    ["a bad escape", '# TYPE a gauge\na{b="\\x"} 1\n# EOF\n'],
    ["a family in two pieces", "# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\n# EOF\n"],
    ["a counter without _total", "# TYPE a counter\na 1\n# EOF\n"],
  ];
  test.each(wrong)("refuses %s", (_, text) => {
    expect(() => parseExposition(text, "openmetrics")).toThrow();
  });
});
