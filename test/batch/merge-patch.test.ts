import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  applyInto,
  composeInto,
  type Json,
  type JsonObject,
  parseObject,
  patchOntoDocument,
  patchOntoPatch,
} from "../../src/batch/merge-patch.ts";
import { mergePatch } from "../support/rfc7396.ts";

const copy = (value: JsonObject): JsonObject => JSON.parse(JSON.stringify(value)) as JsonObject;

/** Few names and values, so that paths meet; nulls and non-objects at every depth. */
const { object } = fc.letrec<{ value: Json; object: JsonObject }>((tie) => ({
  value: fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom<Json>(null, 1, 2, "", true) },
    { weight: 1, arbitrary: fc.constantFrom<Json>([], [null], [{ a: null }]) },
    { weight: 2, arbitrary: tie("object") },
  ),
  object: fc
    .dictionary(fc.constantFrom("a", "b", "c", "0"), tie("value"), { maxKeys: 3 })
    .map((value) => ({ ...value })),
}));
const RUNS = { numRuns: Number(process.env.FORMDB_SOAK_RUNS ?? 5_000) };

/** Every scalar and array of a value with its path. Nulls of a patch remove, and are values of it too. */
function leaves(value: Json, path: string, into: string[]): string[] {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    for (const [name, child] of Object.entries(value)) leaves(child, `${path}/${name}`, into);
  } else into.push(`${path}=${JSON.stringify(value)}`);
  return into;
}

describe("two patches that compose", () => {
  it("do to every document what they do one after the other", () => {
    let composed = 0;
    fc.assert(
      fc.property(object, object, object, (document, first, second) => {
        if (patchOntoPatch(first, second) === "impossible") return;
        composed++;
        const both = copy(first);
        composeInto(both, copy(second));
        expect(mergePatch(document, both)).toEqual(mergePatch(mergePatch(document, first), second));
      }),
      RUNS,
    );
    expect(composed).toBeGreaterThan(RUNS.numRuns / 3);
  });

  it("hide no value where they are additive", () => {
    let additive = 0;
    fc.assert(
      fc.property(object, object, (first, second) => {
        if (patchOntoPatch(first, second) !== "additive") return;
        additive++;
        const both = copy(first);
        composeInto(both, copy(second));
        const seen = new Set(leaves(both, "", []));
        for (const leaf of [...leaves(first, "", []), ...leaves(second, "", [])])
          expect(seen.has(leaf)).toBe(true);
      }),
      RUNS,
    );
    expect(additive).toBeGreaterThan(RUNS.numRuns / 10);
  });
});

describe("two patches that can't compose", () => {
  it("have no patch that does what both do", () => {
    // After the first `a` is no object, so the second makes it just {"b":1}; a patch would keep what else is in it.
    for (const a of [null, 1, "x", []]) {
      const first = { a };
      const second = { a: { b: 1 } };
      expect(patchOntoPatch(first, second)).toBe("impossible");
      const document = { a: { kept: true } };
      expect(mergePatch(mergePatch(document, first), second)).toEqual({ a: { b: 1 } });
      expect(mergePatch(document, second)).toEqual({ a: { kept: true, b: 1 } });
    }
    expect(patchOntoPatch({ x: { a: null } }, { x: { a: {} } })).toBe("impossible");
  });

  it("are told from those that overwrite and those that add", () => {
    expect(patchOntoPatch({ a: 1, b: { c: null } }, { b: { d: { e: null } } })).toBe("additive");
    expect(patchOntoPatch({ a: 1 }, { a: 1 })).toBe("additive");
    expect(patchOntoPatch({ a: 1 }, { a: 2 })).toBe("overwriting");
    expect(patchOntoPatch({ a: { b: 1 } }, { a: null })).toBe("overwriting");
    expect(patchOntoPatch({ a: 1, b: null }, { a: 2, b: {} })).toBe("impossible");
  });
});

describe("a patch onto a document", () => {
  it("is applied as the RFC has it", () => {
    fc.assert(
      fc.property(object, object, (document, patch) => {
        const result = copy(document);
        applyInto(result, copy(patch));
        expect(result).toEqual(mergePatch(document, patch));
      }),
      RUNS,
    );
  });

  it("hides no value of either where it is additive", () => {
    let additive = 0;
    fc.assert(
      fc.property(object, object, (document, patch) => {
        if (patchOntoDocument(document, patch) !== "additive") return;
        additive++;
        const result = copy(document);
        applyInto(result, copy(patch));
        const seen = new Set(leaves(result, "", []));
        for (const leaf of leaves(document, "", [])) expect(seen.has(leaf)).toBe(true);
        for (const leaf of leaves(patch, "", []).filter((leaf) => !leaf.endsWith("=null")))
          expect(seen.has(leaf)).toBe(true);
      }),
      RUNS,
    );
    expect(additive).toBeGreaterThan(RUNS.numRuns / 10);
  });
});

it("a member called __proto__ is a member like any other", () => {
  const text = '{"__proto__":{"a":1}}';
  const composed: JsonObject = {};
  composeInto(composed, JSON.parse(text) as JsonObject);
  const applied: JsonObject = {};
  applyInto(applied, JSON.parse(text) as JsonObject);
  for (const result of [composed, applied]) expect(JSON.stringify(result)).toBe(text);
});

describe("a text that is parsed to be merged", () => {
  it("is left alone where it would not be written again as it was", () => {
    expect(parseObject('{"a":1.5,"__proto__":{"b":[]}}')).toBeDefined();
    for (const text of ['{"a":12345678901234567890}', '{"a":1e999}', '{"a":0.12345678901234567891}'])
      expect(parseObject(text)).toBeUndefined();
  });
});
