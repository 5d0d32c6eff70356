import { readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const library = resolve(import.meta.dirname, "../../src");

/** The rooms from which an entry point loads a file at once: what is imported later (`import()`) and types are left out. */
function roomsOf(entry: string): string[] {
  const found = new Set<string>();
  const visit = (file: string): void => {
    if (found.has(file)) return;
    found.add(file);
    const text = readFileSync(file, "utf8");
    for (const [, kind, names, target] of text.matchAll(
      /^(?:import|export)\b(\s+type\b)?([^;"]*?)"(\.[^"]+)";/gm,
    )) {
      const typesOnly = kind !== undefined || /^\s*\{(?:\s*type [^,}]+,?)+\s*\}\s*from\s*$/.test(names!);
      if (!typesOnly) visit(join(dirname(file), target!));
    }
  };
  visit(join(library, entry));
  const rooms = [...found].map((file) => dirname(relative(library, file)).split("/")[0]!);
  return [...new Set(rooms)].filter((room) => room !== ".").sort();
}

describe("a part that is used alone loads its own room, and none of the engine", () => {
  it.each([
    // `cachePlan` and `getCachedPlan` look plans up by the shape of a text.
    ["cache.ts", ["base", "cache", "functions", "plan", "query"]],
    ["pool.ts", ["base", "functions", "pool"]],
    ["batch.ts", ["base", "batch", "functions"]],
    ["metrics.ts", ["base", "functions", "metrics"]],
    ["prom-client.ts", ["base", "metrics"]],
    ["opentelemetry.ts", ["base", "metrics"]],
    ["diagnostics.ts", ["metrics"]],
    ["cluster.ts", ["base", "metrics"]],
    ["query.ts", ["base", "dialect", "plan", "query"]],
  ])("%s: %o", (entry, rooms) => {
    expect(roomsOf(entry)).toEqual(rooms);
  });

  it("of the query language the plan cache loads what finds a shape, and of plans the mark of the compiler", () => {
    // The sizes in docs/performance.md hold this too; here is what the next person has to look at.
    const text = readFileSync(join(library, "functions/cache.ts"), "utf8");
    const values = [...text.matchAll(/^import \{[^}]*\} from "(\.\.\/(?:plan|query)\/[^"]+)";/gm)];
    expect(values.map(([, target]) => target)).toEqual(["../plan/compiled.ts", "../query/shape.ts"]);
    expect(roomsOf("query/shape.ts")).toEqual(["base", "query"]);
    expect(roomsOf("plan/compiled.ts")).toEqual(["plan"]);
  });
});

it("the entry point of everything loads the engine, and no backend and no driver", () => {
  expect(roomsOf("index.ts")).toContain("engine");
  expect(roomsOf("index.ts")).not.toContain("pg");
});
