import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { COMPATIBLE_NAMES, METRIC_DEFINITIONS } from "../../src/metrics/definitions.ts";

const page = readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8");

const code = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);

/** The rows of the page's tables: name, type, labels, help. */
const documented = page
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) => line.split("|").map((cell) => cell.trim()))
  .map(([, name, type, labels, help]) => ({ name: code(name!)[0]!, type, labels: code(labels!), help }));

/** What a list of the page says of each metric: `- label of metrics: values`. */
function listed(heading: string): { text: string; metrics: string[]; values: string }[] {
  const section = page.split(`## ${heading}\n`)[1]!.split("\n## ")[0]!;
  return section
    .split("\n")
    .filter((line) => line.startsWith("- "))
    .map((line) => {
      const colon = line.indexOf(": ");
      const names = code(line.slice(0, colon));
      return {
        text: names[0]!,
        metrics: names.filter((name) => name.startsWith("formdb_")),
        values: line.slice(colon + 2),
      };
    });
}

describe("docs/metrics.md", () => {
  test("lists exactly the metrics of the catalogue, with their types, labels and descriptions", () => {
    const exported = METRIC_DEFINITIONS.map(({ name, type, labels, help }) => ({
      name: `formdb_${name}`,
      type,
      labels: labels ?? [],
      help,
    }));
    const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
    expect(documented.toSorted(byName)).toEqual(exported.toSorted(byName));
  });

  test("lists exactly the label values that are known beforehand", () => {
    const said = listed("Label values").flatMap(({ text, metrics, values }) =>
      metrics.map((metric) => `${metric} ${text} ${code(values).join()}`),
    );
    const known = METRIC_DEFINITIONS.flatMap((definition) =>
      Object.entries(definition.known ?? {}).map(
        ([label, values]) => `formdb_${definition.name} ${label} ${values.join()}`,
      ),
    );
    expect(said.toSorted()).toEqual(known.toSorted());
  });

  test("lists exactly the buckets of every histogram", () => {
    const said = listed("Buckets").flatMap(({ metrics, values }) =>
      metrics.map((metric) => `${metric} ${values.split(" ").map(Number).join()}`),
    );
    const bounds = METRIC_DEFINITIONS.filter(({ type }) => type === "histogram").map(
      ({ name, buckets }) => `formdb_${name} ${buckets!.join()}`,
    );
    expect(said.toSorted()).toEqual(bounds.toSorted());
  });
});

describe("The catalogue", () => {
  test("begins with the eight names of the compatibility API, none of them with labels", () => {
    expect(COMPATIBLE_NAMES).toEqual([
      "query_total",
      "query_latency_ms",
      "cache_hits_total",
      "cache_misses_total",
      "connection_pool_size",
      "active_connections",
      "batch_size",
      "errors_total",
    ]);
    for (const { name, labels } of METRIC_DEFINITIONS) {
      if (COMPATIBLE_NAMES.includes(name)) expect(labels).toBeUndefined();
    }
  });

  test("names counters _total, ends names with their unit, and knows values only of labels that exist", () => {
    for (const { name, type, unit, labels, known, buckets, aggregate, help } of METRIC_DEFINITIONS) {
      expect(name.endsWith("_total"), name).toBe(type === "counter");
      if (unit !== undefined) expect(name.replace(/_total$/, "").endsWith(`_${unit}`), name).toBe(true);
      for (const label of Object.keys(known ?? {})) expect(labels).toContain(label);
      expect(buckets !== undefined, name).toBe(type === "histogram");
      if (aggregate !== undefined) expect(type).toBe("gauge");
      expect(help).toMatch(/^[A-Z1].*\.$/);
    }
    expect(new Set(METRIC_DEFINITIONS.map(({ name }) => name)).size).toBe(METRIC_DEFINITIONS.length);
  });
});
