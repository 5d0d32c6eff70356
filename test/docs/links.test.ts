import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const pagesIn = (folder: string): string[] =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(folder, name));
const pages = [...pagesIn("."), ...pagesIn("docs"), ...pagesIn("docs/decisions"), ...pagesIn("bench")];

/** The part of a link behind `#` that GitHub gives a heading. */
function anchor(heading: string): string {
  const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
  return plain.replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").replaceAll(" ", "-");
}

function anchorsOf(page: string): Set<string> {
  const text = readFileSync(page, "utf8").replaceAll(/^```[\s\S]*?^```/gm, "");
  return new Set(Array.from(text.matchAll(/^#+ (.*)$/gm), ([, heading]) => anchor(heading!.trim())));
}

it("every link from a page to a file, or to a heading of one, leads somewhere", () => {
  let links = 0;
  const broken: string[] = [];
  for (const page of pages) {
    const text = readFileSync(join(root, page), "utf8").replaceAll(/```[\s\S]*?```|`[^`]*`/g, "");
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      links++;
      const [path, heading] = target!.split("#") as [string, string | undefined];
      const file = path === "" ? join(root, page) : resolve(root, dirname(page), path);
      const leads = existsSync(file) && (heading === undefined || anchorsOf(file).has(heading));
      if (!leads) broken.push(`${page}: ${target}`);
    }
  }
  expect(links).toBeGreaterThan(100);
  expect(broken).toEqual([]);
});
