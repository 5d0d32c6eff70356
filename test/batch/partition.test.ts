import { expect, it } from "vitest";
import { BatchProcessor } from "../../src/batch/batch-processor.ts";
import type { BatchGroup } from "../../src/batch/group.ts";

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
