import { expect, it } from "vitest";
import type { EngineStatement } from "../../src/base/engine-statement.ts";
import { sqliteDialect } from "../../src/dialect/sqlite/sqlite-dialect.ts";
import { Catalog } from "../../src/engine/catalog.ts";
import { ManualClock } from "../support/manual-clock.ts";

it("an index that could not be made is told by its own error, though the indexes that there are can't be read", async () => {
  let isLost = false;
  const reader = {
    execute: async ({ text }: EngineStatement) => {
      if (isLost) throw new Error("still away");
      return { rows: text === sqliteDialect.ddl.listCollections ? [["c"]] : [], rowCount: 0 };
    },
  };
  const connections = {
    transactionalDdl: true,
    use: async (role: string, _: object, work: (connection: unknown) => unknown) => {
      if (role === "read") return work(reader);
      isLost = true;
      throw new Error("the connection was lost");
    },
  };
  const catalog = new Catalog(connections as never, sqliteDialect, new ManualClock(), () => {});
  const index = { collection: "c", name: "by_n", paths: [["n"]], unique: false };
  await expect(catalog.createIndex(index)).rejects.toThrow("the connection was lost");
});
