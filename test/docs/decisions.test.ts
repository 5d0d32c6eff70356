import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";

const folder = new URL("../../docs/decisions/", import.meta.url);

it("docs/decisions/README.md lists every record once, under its number", () => {
  const records = readdirSync(folder).filter((file) => /^\d{4}-/.test(file));
  const list = readFileSync(new URL("README.md", folder), "utf8");
  const listed = Array.from(list.matchAll(/^- \[(\d{4})\]\(([^)]+)\): /gm), ([, number, file]) => {
    expect(file!.slice(0, 4)).toBe(number);
    return file!;
  });
  expect(listed.toSorted()).toEqual(records.toSorted());
});
