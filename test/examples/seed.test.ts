import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { useFolder } from "../support/hooks.ts";

const folder = useFolder();

it("each code block of the original description runs", async () => {
  const program = fileURLToPath(new URL("../../examples/seed.ts", import.meta.url));
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ["--conditions=@formdb/source", program],
    {
      env: { ...process.env, FORMDB_URL: `sqlite:${join(folder, "seed.db")}` },
    },
  );
  expect(stderr).toBe("");
  expect(stdout).toContain("use the cached plan");
  expect(stdout).toContain("{ successful: 8, failed: 0, errors: [] }");
  expect(stdout).toMatch(/^formdb_query_total 1$/m);
  expect(stdout).toMatch(/^formdb_query_latency_ms 5\.2$/m);
  expect(stdout).toMatch(/^formdb_cache_misses_total \d+$/m);
  expect(stdout).toMatch(/^formdb_errors_total 1$/m);
});
