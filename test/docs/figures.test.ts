import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readResults } from "../../bench/harness/results.ts";
import { pages } from "../../scripts/bench/pages.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string): string => readFileSync(`${root}${path}`, "utf8");
const results = readResults();

describe("what the guides say of speed", () => {
  it.each([...pages(results).keys()])("in %s is what was measured: npm run bench -- --pages", (path) => {
    expect(read(path)).toBe(pages(results).get(path));
  });

  it("has no ratio that does not come from there", () => {
    const guides = readdirSync(`${root}docs`).filter((name) => name.endsWith(".md"));
    const paths = [
      "README.md",
      "CONTRIBUTING.md",
      "ARCHITECTURE.md",
      ...guides.map((name) => `docs/${name}`),
    ];
    const ratios = paths.flatMap((path) =>
      read(path)
        .replaceAll(/<!-- figures: [\s\S]*?<!-- end of figures -->/g, "")
        .split("\n")
        .filter((line) => /\d(?:\.\d+)? ×/.test(line))
        .map((line) => `${path}: ${line}`),
    );
    expect(ratios.filter((line) => !EXPLAINED.some((known) => line.includes(known)))).toEqual([]);
  });

  it("is of scenarios that there are, none of which failed", () => {
    const scenarios = readdirSync(`${root}bench`).flatMap((name) => /^(.+)\.ts$/.exec(name)?.[1] ?? []);
    for (const [name, { failure, tables }] of Object.entries(results.scenarios)) {
      expect(scenarios).toContain(name);
      expect([name, failure]).toEqual([name, undefined]);
      expect(tables.length).toBeGreaterThan(0);
    }
  });
});

/** What a ratio is, and from where on others are said to be ahead. */
const EXPLAINED = ["so 2.00 ×", "twice as fast and 0.50 ×", "less than 0.95 ×"];
