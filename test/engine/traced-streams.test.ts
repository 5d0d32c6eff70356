import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { FormDB } from "../../src/engine/form-db.ts";
import { open } from "../../src/engine/open.ts";
import { channels } from "../../src/metrics/tracing-channels.ts";
import { noteTraces } from "../support/traces.ts";

const seen: [string, object][] = [];
const subscribers = noteTraces(seen);

let db: FormDB;
beforeAll(async () => {
  db = await open("sqlite::memory:");
  await db.batchInsert("c", [{}, {}, {}]);
  channels.query.subscribe(subscribers);
});
afterAll(async () => {
  channels.query.unsubscribe(subscribers);
  await db.close();
});
beforeEach(() => {
  seen.length = 0;
});

const events = (): string[] => seen.map(([event]) => event);

describe("a stream is traced as the query that it is", () => {
  it("from its first row to its last", async () => {
    let rows = 0;
    for await (const _ of db.stream("SELECT * FROM c")) {
      rows++;
      expect(events()).toEqual(["start", "end"]);
    }
    expect(rows).toBe(3);
    expect(events()).toEqual(["start", "end", "asyncStart", "asyncEnd"]);
    const query = { operation: "select", collection: "c", shape: "SELECT * FROM c", system: "sqlite" };
    expect(seen[0]![1]).toEqual(query);
    expect(seen[3]![1]).toEqual({ ...query, result: { rowCount: 3 } });
  });

  it("to where its caller leaves it", async () => {
    for await (const _ of db.stream("SELECT * FROM c")) break;
    expect(events()).toEqual(["start", "end", "asyncStart", "asyncEnd"]);
    expect(seen[3]![1]).toMatchObject({ result: { rowCount: 1 } });
  });

  it("to its error", async () => {
    const read = async (): Promise<void> => {
      for await (const _ of db.stream("SELECT * FROM nowhere"));
    };
    await expect(read()).rejects.toMatchObject({ code: "FORMDB_UNKNOWN_COLLECTION" });
    expect(events()).toEqual(["start", "end", "error", "asyncStart", "asyncEnd"]);
    expect(seen[2]![1]).toMatchObject({ error: { code: "FORMDB_UNKNOWN_COLLECTION" } });
  });
});
