import { describe, expect, test } from "vitest";
import { literal, physicalIndexName } from "../../../src/dialect/postgres/names.ts";
import { detectProfile, PROFILES } from "../../../src/dialect/postgres/profiles.ts";
import { quote } from "../../../src/dialect/quote.ts";

describe("an index's name in the schema", () => {
  test("fits in 63 bytes, whatever the names are", () => {
    const name = physicalIndexName("c".repeat(48), "ünïcödé ".repeat(20));
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63);
    expect(name).toMatch(/^formdb_c+_[a-z0-9]+$/);
  });

  test("differs where collection or name differ, also where they join to the same text", () => {
    const names = [
      physicalIndexName("a_b", "c"),
      physicalIndexName("a", "b_c"),
      physicalIndexName("a", "B_c"),
      physicalIndexName("x".repeat(48), "by_one"),
      physicalIndexName("x".repeat(48), "by_two"),
    ];
    expect(new Set(names).size).toBe(names.length);
  });
});

test("names and literals can't leave their quotes", () => {
  expect(quote('a"b')).toBe('"a""b"');
  expect(literal("it's")).toBe("'it''s'");
  expect(literal("back\\slash'")).toBe("E'back\\\\slash'''");
});

describe("the engine", () => {
  test.each([
    ["PostgreSQL 18.4 on x86_64-pc-linux-gnu", [], "localhost", "postgres"],
    ["PostgreSQL 16.2 on aarch64", ["plpgsql", "citus"], "10.0.0.1", "citus"],
    ["CockroachDB CCL v25.2.1 (x86_64-pc-linux-gnu)", [], "h", "cockroachdb"],
    ["PostgreSQL 15.12-YB-2.25.1.0-b0 on x86_64-pc-linux-gnu", ["pg_stat_statements"], "h", "yugabytedb"],
    ["PostgreSQL 16", [], "abc123.dsql.eu-west-1.on.aws", "dsql"],
  ] as const)("is told from %s", (version, extensions, host, expected) => {
    expect(detectProfile(version, extensions, host)).toBe(expected);
  });

  test.each(Object.entries(PROFILES))(
    "%s has a profile in its own name, within the engine's limits",
    (name, profile) => {
      expect(profile.name).toBe(name);
      expect(Object.isFrozen(profile)).toBe(true);
      if (name === "dsql") {
        // 3 000 rows a transaction, of which the token is one; 10 MiB; sessions of 60 minutes.
        expect(profile.maxBatchRows).toBeLessThan(3_000);
        expect(profile.maxBatchBytes).toBeLessThan(10 * 1024 * 1024);
        expect(profile.maxLifetimeMs).toBeLessThan(60 * 60_000);
      }
    },
  );
});
