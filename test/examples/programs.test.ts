import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

async function output(example: string): Promise<string[]> {
  const path = fileURLToPath(new URL(`../../examples/${example}`, import.meta.url));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [
    "--conditions=@formdb/source",
    path,
  ]);
  expect(stderr).toBe("");
  return stdout.trimEnd().split("\n");
}

describe("the examples", () => {
  it("quick-start.ts finds what it stored", async () => {
    expect(await output("quick-start.ts")).toEqual([
      "[ { name: 'Grace', age: 45 }, { name: 'Ada', age: 36 } ]",
      "{ id: '1', name: 'Ada', age: 37 }",
      "{ name: 'Grace' }",
    ]);
  });

  it("many-writers.ts needs few batches, and each caller has its own outcome", async () => {
    expect(await output("many-writers.ts")).toEqual([
      "90 written, 10 refused: FORMDB_DUPLICATE_ID",
      "100 writes took a few batches",
    ]);
  });

  it("import-stream.ts imports all but the document whose id is taken", async () => {
    const lines = await output("import-stream.ts");
    expect(lines.slice(0, 2)).toEqual([
      "document 10000 was not imported: FORMDB_DUPLICATE_ID",
      "10000 imported, 1 failed",
    ]);
    expect(lines.join(" ")).toContain("readings: 1429");
  });

  it("http-sink.ts keeps everybody but those whom the service refuses, whatever fails on the way", async () => {
    const [first, ...refused] = await output("http-sink.ts");
    expect(first).toMatch(/^495 people kept, 5 refused, in \d+ requests$/);
    expect(refused.map((line) => line.trim().split(":")[0])).toEqual(
      [7, 107, 207, 307, 407].map((n) => `${n} (p${n})`),
    );
  });

  it("parts-alone.ts uses each part without a database", async () => {
    expect(await output("parts-alone.ts")).toEqual([
      "2 compiled, hit rate 0.5",
      "10 uses, at most 2 resources",
      "2 written, 2 stored",
      'shop_orders_total{country="fr"} 1',
    ]);
  });
});
