import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { expect, it } from "vitest";
import { PlanCache } from "../../src/cache/plan-cache.ts";

it("the five lines of docs/plan-cache.md do what they say", () => {
  const guide = readFileSync(new URL("../../docs/plan-cache.md", import.meta.url), "utf8");
  const example = /```ts\n(.*?)```/s.exec(guide)![1]!;
  const printed: unknown[] = [];
  const body = stripTypeScriptTypes(example).replace(/^import .*$/m, "");
  new Function("PlanCache", "console", body)(PlanCache, {
    log: (...values: unknown[]) => printed.push(...values),
  });
  expect(printed).toEqual([true, 0]);
});
