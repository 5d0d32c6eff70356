import { describe, expect, it } from "vitest";
import type { CacheObserver } from "../../src/base/observer.ts";
import { PlanCache } from "../../src/cache/plan-cache.ts";
import { ManualClock } from "../support/manual-clock.ts";

const compile = (text: string): string => `plan of ${text}`;

function filled(
  options: ConstructorParameters<typeof PlanCache<string>>[0],
  ...texts: string[]
): PlanCache<string> {
  const cache = new PlanCache<string>(options);
  for (const text of texts) cache.set(text, compile(text));
  return cache;
}

describe("a plan cache", () => {
  it("gives back what was put in, and undefined for the rest", () => {
    const cache = filled({}, "a");
    expect(cache.get("a")).toBe("plan of a");
    expect(cache.get("b")).toBeUndefined();
    expect(cache.stats()).toMatchObject({ size: 1, maxSize: 1_000, hits: 1, misses: 1, hitRate: 0.5 });
  });

  it("has a hit rate of 0 before the first look-up", () => {
    expect(filled({}, "a").stats()).toMatchObject({ hitRate: 0, hitRateAtDoubleSize: 0, hits: 0, misses: 0 });
  });

  it("lets the least recently used plan make room", () => {
    const cache = filled({ maxSize: 3 }, "a", "b", "c");
    cache.get("a");
    cache.set("b", "another plan");
    cache.set("d", "plan of d");
    expect(cache.has("c")).toBe(false);
    expect(cache.entries().map(({ text }) => text)).toEqual(["d", "b", "a"]);
    expect(cache.stats().evictions).toBe(1);
  });

  it("lets a plan expire by its age, which reads leave alone", async () => {
    const clock = new ManualClock();
    const cache = filled({ ttlMs: 100, clock }, "a");
    await clock.advance(99);
    expect(cache.get("a")).toBe("plan of a");
    await clock.advance(1);
    expect(cache.outcomeOf("a")).toBe("expired");
    expect(cache.get("a")).toBeUndefined();
    expect(cache.stats()).toMatchObject({ size: 0, missesBy: { expired: 1 } });
  });

  it("keeps plans of any age with an infinite time to live", async () => {
    const clock = new ManualClock();
    const cache = filled({ ttlMs: Number.POSITIVE_INFINITY, clock }, "a");
    await clock.advance(1e12);
    expect(cache.get("a")).toBe("plan of a");
  });

  it("never serves a plan of an invalidated tag, and keeps the others", () => {
    const cache = new PlanCache<string>();
    cache.set("a", "1", { tags: ["users", "orders"] });
    cache.set("b", "2", { tags: ["orders"] });
    cache.set("c", "3");
    cache.invalidate("users");
    expect(cache.size).toBe(3);
    expect(cache.get("a")).toBeUndefined();
    expect(cache.lastOutcome).toBe("stale");
    expect([cache.get("b"), cache.get("c")]).toEqual(["2", "3"]);
    cache.set("a", "4", { tags: ["users"] });
    expect(cache.get("a")).toBe("4");
  });

  it("says why a look-up missed", async () => {
    const clock = new ManualClock();
    const cache = new PlanCache<string>({ maxSize: 1, ttlMs: 100, clock });
    cache.get("a");
    cache.set("a", "1", { tags: ["t"] });
    cache.set("b", "2", { tags: ["t"] });
    cache.get("a");
    cache.invalidate("t");
    cache.get("b");
    cache.set("b", "2");
    await clock.advance(100);
    cache.get("b");
    cache.countBypass();
    expect(cache.stats()).toMatchObject({
      misses: 5,
      missesBy: { cold: 1, evicted: 1, stale: 1, expired: 1, bypassed: 1, invalid: 0 },
    });
    expect(cache.lastOutcome).toBe("bypassed");
  });

  it("holds no more bytes than it may", () => {
    const cache = new PlanCache<string>({ maxBytes: 100, sizeOf: (plan) => plan.length });
    cache.set("a", "x".repeat(60));
    cache.set("b", "x".repeat(40));
    expect(cache.stats()).toMatchObject({ bytes: 100, evictions: 0 });
    cache.set("c", "x");
    expect(cache.stats()).toMatchObject({ size: 2, bytes: 41, evictions: 1 });
  });

  it("uses an oversized plan without keeping it, and without keeping the one that it replaces", () => {
    const cache = new PlanCache<string>({ maxBytes: 100, sizeOf: (plan) => plan.length });
    cache.set("a", "small");
    cache.set("a", "x".repeat(101));
    expect(cache.get("a")).toBeUndefined();
    expect(cache.getOrCompileSync("a", () => "y".repeat(101))).toHaveLength(101);
    expect(cache.stats()).toMatchObject({ size: 0, bytes: 0, oversized: 2 });
  });

  it("counts compile time and what hits have saved of it", () => {
    const cache = new PlanCache<string>({ maxSize: 1 });
    cache.set("a", "1", { compileMs: 2 });
    for (let i = 0; i < 3; i++) cache.get("a");
    cache.set("b", "2", { compileMs: 5 });
    cache.get("b");
    expect(cache.stats()).toMatchObject({ hits: 4, savedMs: 11 });
  });

  it("lists its plans for inspection", async () => {
    const clock = new ManualClock();
    const cache = new PlanCache<string>({ clock, ttlMs: 100 });
    cache.set("a", "1", { tags: ["t"], bytes: 7, compileMs: 2 });
    cache.get("a");
    await clock.advance(40);
    expect(cache.entries()).toEqual([
      { text: "a", plan: "1", tags: ["t"], hits: 1, ageMs: 40, bytes: 7, compileMs: 2, state: "fresh" },
    ]);
    cache.invalidate("t");
    expect(cache.entries()[0]!.state).toBe("stale");
  });

  it("forgets one plan on delete and all on clear, but no counts", () => {
    const cache = filled({}, "a", "b");
    cache.get("a");
    expect([cache.delete("a"), cache.delete("a")]).toEqual([true, false]);
    cache.clear();
    expect(cache.get("b")).toBeUndefined();
    expect(cache.stats()).toMatchObject({ size: 0, bytes: 0, hits: 1, misses: 1 });
  });

  it("looks without counting or refreshing by has and outcomeOf", () => {
    const cache = filled({ maxSize: 2 }, "a", "b");
    expect([cache.has("a"), cache.outcomeOf("a"), cache.outcomeOf("x")]).toEqual([true, "hit", "cold"]);
    cache.set("c", "3");
    expect([cache.has("a"), cache.outcomeOf("a")]).toEqual([false, "evicted"]);
    expect(cache.stats()).toMatchObject({ hits: 0, misses: 0 });
  });

  it("reports to its observer, whose failures are its own", () => {
    const seen: string[] = [];
    const observer: CacheObserver = {
      hit: () => seen.push("hit"),
      miss: (reason) => seen.push(`miss ${reason}`),
      removed: (reason) => seen.push(`removed ${reason}`),
      saved: (ms) => seen.push(`saved ${ms}`),
      compiled: () => {
        throw new Error("the observer's");
      },
    };
    const cache = new PlanCache<string>({ maxSize: 1, observer });
    expect(cache.getOrCompileSync("a", compile)).toBe("plan of a");
    cache.set("a", "1", { compileMs: 3 });
    cache.get("a");
    cache.set("b", "2");
    cache.delete("b");
    expect(seen).toEqual([
      "miss cold",
      "removed replaced",
      "hit",
      "saved 3",
      "removed evicted",
      "removed deleted",
    ]);
  });

  it.each([
    [{ maxSize: 0 }, /maxSize must be a whole number from 1/],
    [{ ttlMs: -1 }, /ttlMs must be a number of milliseconds/],
    [{ maxBytes: Number.NaN }, /maxBytes must be/],
    [{ admission: "lfu" }, /admission must be one of/],
    [{ maxsize: 5 }, /no option "maxsize".*maxSize/],
  ])("refuses the options %j by name", (options, message) => {
    expect(() => new PlanCache(options as never)).toThrow(
      expect.objectContaining({ code: "FORMDB_CONFIG", message: expect.stringMatching(message) }),
    );
  });

  it("refuses tags that a function gives and that are no array of texts", async () => {
    for (const tags of [() => "users", () => [1], async () => ["users"]]) {
      const cache = new PlanCache<string>();
      const options = { tags: tags as never };
      const refused = expect.objectContaining({
        code: "FORMDB_CONFIG",
        message: expect.stringContaining("tags must give an array of strings"),
      });
      expect(() => cache.getOrCompileSync("a", () => "plan", options)).toThrow(refused);
      await expect(cache.getOrCompile("a", () => "plan", options)).rejects.toEqual(refused);
      cache.invalidate("users");
      expect(cache.get("a")).toBeUndefined();
      expect(cache.stats()).toMatchObject({ size: 0, inFlight: 0, misses: 3 });
    }
  });

  it("refuses what it could not give back", () => {
    const cache = new PlanCache<unknown>();
    const refused = expect.objectContaining({ code: "FORMDB_CONFIG" });
    expect(() => cache.set("a", undefined)).toThrow(refused);
    expect(() => cache.set(5 as never, "plan")).toThrow(refused);
    expect(() => cache.get(5 as never)).toThrow(refused);
    expect(() => cache.set("a", "plan", { bytes: Number.NaN })).toThrow(refused);
    expect(() => cache.getOrCompileSync("a", async () => "plan")).toThrow(refused);
    expect(cache.stats()).toMatchObject({ size: 0, inFlight: 0 });
  });
});

describe("a text that the compiler refuses", () => {
  it("is a miss by a reason of its own, which lowers no hit rate", () => {
    const reasons: string[] = [];
    const cache = new PlanCache<string>({ observer: { miss: (reason) => reasons.push(reason) } });
    const refuse = (): never => {
      throw new Error("no such word");
    };
    cache.getOrCompileSync("good", () => "plan");
    for (let i = 0; i < 3; i++) {
      expect(() => cache.getOrCompileSync("bad", refuse)).toThrow("no such word");
      expect(cache.lastOutcome).toBe("invalid");
      cache.getOrCompileSync("good", () => "plan");
    }
    expect(reasons).toEqual(["cold", "invalid", "invalid", "invalid"]);
    expect(cache.stats()).toMatchObject({
      hits: 3,
      misses: 4,
      missesBy: { cold: 1, invalid: 3 },
      hitRate: 0.75,
      hitRateAtDoubleSize: 0.75,
      compileFailures: 3,
    });
  });

  it("keeps the reason of the miss if what fails is keeping the plan", () => {
    const cache = new PlanCache<string>({ sizeOf: () => Number.NaN });
    expect(() => cache.getOrCompileSync("a", () => "plan")).toThrow("size");
    expect(cache.stats().missesBy).toMatchObject({ cold: 1, invalid: 0 });
  });
});
