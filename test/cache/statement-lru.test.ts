import { describe, expect, it } from "vitest";
import { StatementLru } from "../../src/cache/statement-lru.ts";

function recording(maxSize: number): { lru: StatementLru<number>; closed: string[] } {
  const closed: string[] = [];
  return {
    lru: new StatementLru(maxSize, (name, value, why) => closed.push(`${name}=${value} ${why}`)),
    closed,
  };
}

describe("the statements of a connection", () => {
  it("are at most maxSize, the least recently used is closed first", () => {
    const { lru, closed } = recording(2);
    lru.set("a", 1);
    lru.set("b", 2);
    expect(lru.get("a")).toBe(1);
    lru.set("c", 3);
    expect([lru.size, lru.has("a"), lru.get("b")]).toEqual([2, true, undefined]);
    expect(closed).toEqual(["b=2 evicted"]);
  });

  it("are closed exactly once, however they leave", () => {
    const { lru, closed } = recording(3);
    lru.set("a", 1);
    lru.set("a", 2);
    lru.set("a", 2);
    expect([lru.delete("a"), lru.delete("a")]).toEqual([true, false]);
    lru.set("b", 3);
    lru.set("c", 4);
    lru.clear();
    expect(closed).toEqual(["a=1 replaced", "a=2 deleted", "b=3 cleared", "c=4 cleared"]);
    expect(lru.size).toBe(0);
  });

  it("are all closed on clear even where closing one fails, which is then thrown", () => {
    const closed: string[] = [];
    const lru = new StatementLru<number>(3, (name) => {
      closed.push(name);
      if (name === "a") throw new Error("can't close a");
    });
    for (const name of ["a", "b", "c"]) lru.set(name, 1);
    expect(() => lru.clear()).toThrow("can't close a");
    expect(closed).toEqual(["a", "b", "c"]);
    expect(lru.size).toBe(0);
  });

  it("need room for at least one", () => {
    expect(() => new StatementLru(0)).toThrow(expect.objectContaining({ code: "FORMDB_CONFIG" }));
  });
});
