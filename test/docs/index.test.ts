import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";

const docs = new URL("../../docs/", import.meta.url);

it("docs/README.md has a task for each guide", () => {
  const index = readFileSync(new URL("README.md", docs), "utf8");
  const guides = readdirSync(docs).filter((name) => name.endsWith(".md") && name !== "README.md");
  expect(guides.length).toBeGreaterThan(15);
  expect(guides.filter((name) => !index.includes(`(${name})`))).toEqual([]);
});
