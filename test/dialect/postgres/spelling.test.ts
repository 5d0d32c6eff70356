import { describe, expect, it } from "vitest";
import { settle } from "../../../src/dialect/fragment.ts";
import { expressionsFor } from "../../../src/dialect/postgres/expressions.ts";
import { dialectOf } from "../../../src/dialect/postgres/postgres-dialect.ts";
import { PROFILES } from "../../../src/dialect/postgres/profiles.ts";

describe("a SELECT that a lock stands behind", () => {
  const known = expressionsFor({ indexedAt: () => undefined, shortCase: true });

  it.each([["id"], ["n"]])("has no query within it, whose rows would all be locked: ORDER BY %s", (name) => {
    const spelled = (locks: boolean): string => {
      const fragment = known.documents({
        list: "id",
        table: "c",
        where: [],
        orderBy: [{ type: "path", path: [name], descending: false }],
        from: undefined,
        inOrder: true,
        locks,
        limit: { operand: 0, encode: (count) => count },
        offset: undefined,
      });
      const kinds = locks ? [] : ["10", "10"];
      return settle(fragment, kinds)
        .map((piece) => (typeof piece === "string" ? piece : "$1"))
        .join("");
    };
    expect(spelled(false)).toContain("FROM (SELECT");
    expect(spelled(true)).toMatch(/^SELECT id FROM c ORDER BY [^;]* LIMIT \$1::bigint$/);
    expect(spelled(true)).not.toContain("SELECT id, doc");
  });
});

describe("the key of an index", () => {
  const index = { collection: "c", name: "by_n", paths: [["n"]], unique: false };
  const made = (name: "postgres" | "citus"): string =>
    dialectOf(PROFILES[name]).ddl.createIndex(index).join();

  it("keeps its meaning on the way to the workers of Citus", () => {
    expect(made("postgres")).toContain("CASE jsonb_typeof");
    expect(made("citus")).not.toMatch(/CASE (?!WHEN)/);
  });

  it("is told apart from one of the other form", () => {
    for (const name of ["postgres", "citus"] as const) {
      const { isCurrent } = dialectOf(PROFILES[name]).ddl;
      expect(isCurrent(index, made(name))).toBe(true);
      expect(isCurrent(index, made(name === "citus" ? "postgres" : "citus"))).toBe(false);
    }
  });
});

describe("the elements of arrays in arrays", () => {
  it("are LATERAL from the first array on: Citus crashes where they are not", () => {
    const { conditions } = dialectOf(PROFILES.citus).expressions;
    const spelled = (...arrays: readonly (readonly string[])[]): string =>
      settle(
        conditions.some(arrays, () => ["TRUE"], true),
        [],
      ).join("");
    expect(spelled(["a"])).toContain("FROM jsonb_array_elements(");
    expect(spelled(["a"], ["b"])).toContain("FROM LATERAL jsonb_array_elements(");
  });
});
