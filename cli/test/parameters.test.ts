import { outlineOf } from "@formdb/perf/query";
import { describe, expect, it } from "vitest";
import { parameters } from "../src/parameters.ts";

describe("the parameters of a query", () => {
  it("are values in order, JSON or else strings, where the query has $n or ?", () => {
    const outline = outlineOf("SELECT * FROM c WHERE a = ? AND b IN ?");
    expect(parameters(outline, ["1", "true", "null", '"1"', "[1]", "x", "a=b", "007", ""])).toEqual([
      1,
      true,
      null,
      "1",
      [1],
      "x",
      "a=b",
      "007",
      "",
    ]);
  });

  it("are named if the query has names", () => {
    const outline = outlineOf("/* :x */ delete from c where a = :a and b = :b_2");
    expect(parameters(outline, ["a=1=2", ":b_2=2"])).toEqual({ a: "1=2", b_2: 2 });
  });

  it("may be called __proto__ without harm", () => {
    const given = parameters(outlineOf("SELECT * FROM c WHERE a = :__proto__"), ["__proto__=1"]);
    expect(Object.keys(given)).toEqual(["__proto__"]);
  });

  it.each([
    [["5"], "name=value"],
    [["a=1", "a=2"], "twice"],
  ])("are refused where %j is given for a name", (given, message) => {
    const outline = outlineOf("SELECT * FROM c WHERE a = :a");
    expect(() => parameters(outline, given)).toThrow(message);
  });

  it("are never rounded", () => {
    expect(() => parameters(outlineOf("SELECT * FROM c"), ["9007199254740993"])).toThrow("rounded");
  });
});
