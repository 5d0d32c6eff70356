import { describe, expect, it } from "vitest";
import { WorkerClient } from "../../../src/backend/sqlite/worker-client.ts";

const settings = { file: ":memory:", readOnly: false, durability: "normal", busyTimeoutMs: 0 } as const;

describe("a worker with a SQLite session", () => {
  it("gives each request its own answer after one that could not be sent", async () => {
    const client = new WorkerClient(settings);
    const execute = (values: unknown[]) =>
      client.request("The query", {
        do: "execute",
        text: "SELECT ?",
        values,
        returnsRows: true,
        keep: true,
        inTransaction: false,
      });
    await expect(execute([() => 1])).rejects.toThrow("could not be cloned");
    expect((await execute([1])).rows).toEqual([[1]]);
    expect((await execute([2])).rows).toEqual([[2]]);
    await client.terminate();
  });
});
