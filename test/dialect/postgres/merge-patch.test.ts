import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { patchDepth, spellMerge } from "../../../src/dialect/postgres/merge-patch.ts";
import { PROFILES } from "../../../src/dialect/postgres/profiles.ts";

/** Nesting of objects in objects, arrays not counted; by walking the value. */
function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

describe("the depth of a patch", () => {
  test("is 0 where nothing is nested and nothing removed", () => {
    expect(patchDepth('{"a":1,"b":[1,2],"c":"x"}')).toBe(0);
    expect(patchDepth("{}")).toBe(0);
  });

  test("is not fooled by braces and brackets in strings", () => {
    expect(patchDepth('{"a":"}}]]\\\\\\"{{","b":{"c":{"d":1}}}')).toBe(3);
    expect(patchDepth('{"null":"{","[":{"x":1}}')).toBe(2);
  });

  test("does not count what arrays hold, which is never merged", () => {
    expect(patchDepth('{"a":[{"b":{"c":{"d":1}}}],"e":null}')).toBe(1);
  });

  test("is that of the value, for any object", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 6 })), (patch) => {
        const depth = patchDepth(JSON.stringify(patch));
        if (depth === 0) {
          expect(depthOf(patch)).toBe(1);
          expect(Object.values(patch)).not.toContain(null);
        } else {
          expect(depth).toBe(depthOf(patch));
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("the spelling of a merge", () => {
  test("exists in few forms, whatever the depth", () => {
    const names = new Set<string | undefined>();
    for (let depth = 0; depth <= 600; depth++)
      names.add(spellMerge("t", "p", depth, PROFILES.postgres)?.name);
    expect([...names]).toEqual(["flat", "depth1", "depth2", "depth4", "deep"]);
  });

  test("is the function's for all but flat ones where subqueries can't be nested", () => {
    expect(spellMerge("t", "p", 0, PROFILES.citus)?.name).toBe("flat");
    expect(spellMerge("t", "p", 1, PROFILES.citus)?.name).toBe("deep");
  });

  test("has an end where the engine has no functions", () => {
    expect(spellMerge("t", "p", 64, PROFILES.cockroachdb)?.name).toBe("depth64");
    expect(spellMerge("t", "p", 65, PROFILES.cockroachdb)).toBeUndefined();
  });
});
