import { join } from "node:path";
import { expect, it } from "vitest";
import { open } from "../../src/engine/open.ts";
import { storeOf } from "../../src/metrics/metrics.ts";
import { useFolder } from "../support/hooks.ts";

const folder = useFolder();

it("the pool of SQLite's single writer has an observer of its own, beside the metrics", async () => {
  const [readers, writer]: [string[], string[]] = [[], []];
  const noting = (events: string[]) => ({
    acquired: (id: number) => events.push(`acquired ${id}`),
    released: (id: number) => events.push(`released ${id}`),
  });
  await using db = await open(`sqlite:${join(folder, "app.db")}`, {
    observer: noting(readers),
    writerObserver: noting(writer),
  });
  await db.createCollection("c");
  [readers.length, writer.length] = [0, 0];
  await db.insert("c", { id: "1" });
  expect(readers).toEqual([]);
  expect(writer).toEqual(["acquired 1", "released 1"]);
  await db.get("c", "1");
  expect(readers).toHaveLength(2);
  expect(writer).toHaveLength(2);
  const waits = storeOf(db.metrics).histogram("pool_wait_seconds").labels({ pool: "writer" });
  expect(waits.count).toBeGreaterThan(0);
});
