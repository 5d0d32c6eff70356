import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { open } from "../src/index.ts";
import { useFolder } from "./support/hooks.ts";

const script = fileURLToPath(new URL("../scripts/conformance.ts", import.meta.url));
const folder = useFolder();

function run(...args: string[]): { status: number | null; output: string } {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(VITEST|FORMDB_|TEST$|NODE_ENV$)/.test(name)),
  );
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], {
    encoding: "utf8",
    env,
  });
  return { status, output: stdout + stderr };
}

describe("npm run conformance", () => {
  it("says that it needs a URL", () => {
    expect(run()).toMatchObject({ status: 2, output: expect.stringContaining("No URL was given") });
    expect(run("--dB", "x")).toMatchObject({ status: 2, output: expect.stringContaining("Usage:") });
  });

  it("says what it ran, and leaves the database as it was", async () => {
    const url = `sqlite:${join(folder, "mine.db")}`;
    const before = await open(url);
    await before.insert("conf_1", { id: "1" });
    await before.close();
    const { status, output } = run("--db", url, "--only", "documents");
    expect(output).toMatch(/profile sqlite/);
    expect(output).toMatch(/\n[1-9]\d passed, 0 failed, [1-9]\d* not run, of 1\d\d\n/);
    expect(status).toBe(0);
    const after = await open(url);
    expect(await after.listCollections()).toEqual(["conf_1"]);
    expect(await after.get("conf_1", "1")).toEqual({ id: "1" });
    await after.close();
  });

  it("fails where no test could run", () => {
    const { status, output } = run("--db", "postgres://nobody@127.0.0.1:1/none?connect_timeout=1");
    expect(output).toMatch(/ECONNREFUSED/);
    expect(status).toBe(1);
    expect(run("--db", "sqlite::memory:", "--only", "no such test").status).toBe(1);
  });
});
