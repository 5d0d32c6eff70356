import { Worker } from "node:worker_threads";
import { describe, expect, it, vi } from "vitest";
import { WorkerClient, workerFile } from "../../../src/backend/sqlite/worker-client.ts";
import type { FormDBError } from "../../../src/base/errors.ts";

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

  it("is lost when an answer can't be read, since the next one would go to the wrong request", async () => {
    const made = vi.spyOn(Worker.prototype, "unref");
    const client = new WorkerClient(settings);
    const lost = vi.fn();
    client.onLost = lost;
    const first = client.request("The beginning", { do: "begin" });
    const second = client.request("The commit", { do: "commit" });
    const third = client.request("The look-up", { do: "lookUpToken", token: "a" });
    const worker = made.mock.contexts[0] as Worker;
    made.mockRestore();
    worker.emit("messageerror", new Error("unreadable"));
    // What is not committed is rolled back.
    await expect(first).rejects.toMatchObject({ code: "FORMDB_CONNECTION_LOST", outcome: "rejected" });
    await expect(second).rejects.toMatchObject({ code: "FORMDB_CONNECTION_LOST", outcome: "unknown" });
    // Nothing is in doubt of a read, which may be made again.
    const read: FormDBError = await third.catch((error) => error);
    expect(read).toMatchObject({ code: "FORMDB_CONNECTION_LOST", retryable: true });
    expect(read.outcome).toBeUndefined();
    expect(client.usable).toBe(false);
    expect(lost).toHaveBeenCalledTimes(1);
    await client.terminate();
  });
});

describe("the file of a worker", () => {
  it.each(["worker", "backup-worker"] as const)("lies beside the code: %s", (name) => {
    const source = new URL("../../../src/backend/sqlite/worker-client.ts", import.meta.url).href;
    expect(workerFile(name, source).href).toMatch(new RegExp(`/src/backend/sqlite/${name}\\.ts$`));
  });

  it.each([undefined, "file:///app/dist/bundle.mjs"])(
    "is missed where a bundler has left it behind: %s",
    (here) => {
      expect(() => workerFile("worker", here)).toThrow(
        expect.objectContaining({
          code: "FORMDB_CONFIG",
          message: expect.stringContaining("out of a bundle"),
        }),
      );
    },
  );
});
