import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type ErrorCode, FormDBError } from "../../src/base/errors.ts";

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const markdown = read("docs/errors.md");

/** The codes as the type of them lists them. */
const codes = [...read("src/base/errors.ts").matchAll(/^ {2}\| "(FORMDB_[A-Z_]+)"/gm)].map(
  ([, code]) => code!,
);

/** The rows of the table of codes: code, meaning, again, what to do. */
const rows = [...markdown.matchAll(/^\| `(FORMDB_[A-Z_]+)` \| (.+) \| (yes|no) \| (.+) \|$/gm)].map((row) =>
  row.slice(1),
);

describe("docs/errors.md", () => {
  it("has each code once, in the order of the type, and no other", () => {
    expect(codes.length).toBeGreaterThan(20);
    expect(rows.map(([code]) => code)).toEqual(codes);
    for (const [mentioned] of markdown.matchAll(/FORMDB_[A-Z_]+/g)) expect(codes).toContain(mentioned);
  });

  it.each(rows.map(([code, , again]) => [code, again]))("%s is retryable: %s", (code, again) => {
    expect(new FormDBError(code as ErrorCode, "").retryable).toBe(again === "yes");
  });

  it("is where the places that it links to are", () => {
    const headings = (text: string): string[] =>
      [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
        heading!
          .toLowerCase()
          .replace(/[^a-z0-9 -]/g, "")
          .replaceAll(" ", "-"),
      );
    const links = [...markdown.matchAll(/\]\(([a-z-]+\.md)#([a-z-]+)\)/g)];
    expect(links.length).toBeGreaterThan(0);
    for (const [, page, heading] of links) expect(headings(read(`docs/${page}`))).toContain(heading);
    expect(read("docs/engines.md")).toContain("(errors.md#sqlstates)");
    expect(headings(markdown)).toContain("sqlstates");
  });
});
