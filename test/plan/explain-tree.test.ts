import { expect, it } from "vitest";
import { renderExplanation } from "../../src/plan/explain-tree.ts";

it("an explanation reads as a tree, with the statement broken at its clauses", () => {
  const text = renderExplanation({
    kind: "select",
    shape: "SELECT * FROM users WHERE age > #0 ORDER BY age",
    cache: "expired",
    statement: `SELECT id, json(doc) FROM "users" WHERE (a(' FROM ') > ? AND (b OR c)) GROUP BY c HAVING count(*) > ? ORDER BY a LIMIT ?`,
    merges: true,
    cost: "indexed",
    conditions: [
      { text: "age > …", index: "users_age" },
      { text: "NOT name LIKE …", index: undefined },
    ],
    indexes: ["users_age"],
    enginePlan: ["SEARCH users USING INDEX users_age", "  USE TEMP B-TREE"],
  });
  expect(text).toBe(
    [
      "select",
      "├─ shape      SELECT * FROM users WHERE age > #0 ORDER BY age",
      "├─ cache      miss: expired",
      "├─ cost       indexed (the documents to which an index leads)",
      "├─ merges     with calls of the same shape, if they are short",
      "├─ where      age > …          users_age",
      "│             NOT name LIKE …  no index",
      "├─ index      users_age",
      "├─ statement  SELECT id, json(doc)",
      '│             FROM "users"',
      "│             WHERE (a(' FROM ') > ?",
      "│               AND (b OR c))",
      "│             GROUP BY c",
      "│             HAVING count(*) > ?",
      "│             ORDER BY a",
      "│             LIMIT ?",
      "└─ engine     SEARCH users USING INDEX users_age",
      "                USE TEMP B-TREE",
    ].join("\n"),
  );
});

it("what the engine layer does itself has no statement to show", () => {
  const text = renderExplanation({
    kind: "createIndex",
    shape: "CREATE INDEX ON users (age)",
    cache: "hit",
    statement: undefined,
    merges: false,
    cost: undefined,
    conditions: [],
    indexes: [],
    enginePlan: [],
  });
  expect(text).toBe("create index\n├─ shape  CREATE INDEX ON users (age)\n└─ cache  hit");
});
