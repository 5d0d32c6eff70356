import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { Pool } from "../../src/pool/pool.ts";

it("after the event loop was blocked, a pool serves its queue instead of timing it out", async () => {
  await using pool = new Pool({ create: () => ({}), maxConnections: 1, acquireTimeoutMs: 1_000 });
  pool.release(await pool.acquire());
  const reads = Array.from({ length: 20 }, () => pool.use(() => readFile(import.meta.filename)));
  const until = performance.now() + 1_200;
  while (performance.now() < until);
  const outcomes = await Promise.allSettled(reads);
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(20);
});
