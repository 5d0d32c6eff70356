import { expect, test } from "vitest";
import { tokenBeside } from "../../../src/dialect/postgres/citus.ts";
import { shardOf } from "../../../src/dialect/postgres/hash-text.ts";

test("a token lies in the shard of its id, and no two are alike", () => {
  for (const shards of [2, 4, 32, 100]) {
    const tokens = Array.from({ length: 200 }, (_, i) => {
      const id = `user-${i}`;
      const token = tokenBeside(id, i % 2 === 0 ? "" : "spill:", shards);
      expect(shardOf(token, shards)).toBe(shardOf(id, shards));
      expect(token).toMatch(i % 2 === 0 ? /^[0-9a-f-]{36}$/ : /^spill:[0-9a-f-]{36}$/);
      return token;
    });
    expect(new Set(tokens).size).toBe(200);
  }
});
