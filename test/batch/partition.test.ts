import { expect, it } from "vitest";
import { BatchProcessor } from "../../src/batch/batch-processor.ts";
import type { BatchGroup } from "../../src/batch/group.ts";

it("a token is made beside the first id of its group, and anew for each half of one that is parted", async () => {
  const groups: BatchGroup[] = [];
  const processor = new BatchProcessor(
    async (group) => {
      groups.push(group);
      if (group.operations.length > 1) throw Object.assign(new Error("refused"), { code: "23514" });
    },
    { makeToken: (id, prefix) => `${prefix}${groups.length}:${id}` },
  );
  const result = await processor.submitAll(
    "insert",
    "a",
    ["c", "a", "b"].map((id) => ({ id })),
  );
  expect(result).toMatchObject({ successful: 3, failed: 0 });
  expect(groups[0]).toMatchObject({ token: "0:a" });
  for (const { token, operations } of groups) expect(token!.split(":")[1]).toBe(operations[0]!.id);
  await processor.close();
});

it("a group holds ids of one partition alone, and each id keeps its order", async () => {
  const groups: BatchGroup[] = [];
  const processor = new BatchProcessor(
    async (group) => {
      groups.push(group);
    },
    { partition: (id) => Number(id) % 3, coalesce: "none", concurrency: 2 },
  );
  const ids = Array.from({ length: 60 }, (_, n) => String(n));
  const inserted = processor.submitAll(
    "insert",
    "a",
    ids.map((id) => ({ id })),
  );
  const deleted = processor.submitAll("delete", "a", ids);
  expect(await inserted).toMatchObject({ successful: 60, failed: 0 });
  expect(await deleted).toMatchObject({ successful: 60, failed: 0 });
  for (const { operations } of groups) {
    expect(new Set(operations.map(({ id }) => Number(id) % 3)).size).toBe(1);
  }
  for (const id of ids) {
    const kinds = groups
      .filter(({ operations }) => operations.some((operation) => operation.id === id))
      .map(({ kind }) => kind);
    expect(kinds).toEqual(["insert", "delete"]);
  }
  expect(groups.length).toBe(6);
  await processor.close();
});

it("functions for partitions and tokens that throw stop nothing, and lose nothing", async () => {
  const groups: BatchGroup[] = [];
  const broken = (): never => {
    throw new Error("the application's own");
  };
  const processor = new BatchProcessor(
    async (group) => {
      groups.push(group);
    },
    { partition: (id) => (id === "b" ? broken() : 0), makeToken: broken },
  );
  const ids = ["a", "b", "c"];
  const result = await processor.submitAll(
    "insert",
    "a",
    ids.map((id) => ({ id })),
  );
  expect(result).toMatchObject({ successful: 3, failed: 0 });
  expect(groups.map(({ operations }) => operations.map(({ id }) => id))).toEqual([["a", "c"], ["b"]]);
  for (const { token } of groups) expect(token).toMatch(/^[0-9a-f-]{36}$/);
  expect(await processor.close()).toMatchObject({ undelivered: [] });
});
