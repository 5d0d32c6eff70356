import { describe, expect, it } from "vitest";
import { outlineOf } from "../../src/query/outline.ts";

describe("the outline of a query", () => {
  it("has its first word, whatever its case, and comments do not count", () => {
    expect(outlineOf("SELECT * FROM c WHERE a = ? AND b IN ?")).toEqual({ verb: "SELECT", hasNames: false });
    expect(outlineOf("/* :x */ delete from c where a = :a")).toEqual({ verb: "DELETE", hasNames: true });
  });

  it("takes no colon in a string for a name", () => {
    expect(outlineOf("SELECT ':a' FROM c").hasNames).toBe(false);
  });

  it("is empty for a text that is no query", () => {
    expect(outlineOf("SELECT 'open")).toEqual({ verb: "SELECT", hasNames: false });
    expect(outlineOf("")).toEqual({ verb: "", hasNames: false });
  });
});
