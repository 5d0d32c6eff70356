import { describe, expect, it } from "vitest";
import { seededRandom } from "../../bench/harness/workloads.ts";
import { PlanCache } from "../../src/cache/plan-cache.ts";

/** A compiler whose compilations end when the test says so. */
class Compiler {
  readonly pending: { resolve(plan: string): void; reject(error: unknown): void }[] = [];
  readonly compile = (): Promise<string> =>
    new Promise((resolve, reject) => this.pending.push({ resolve, reject }));
}

describe("getOrCompile", () => {
  it("compiles once for a hundred callers at once", async () => {
    const cache = new PlanCache<string>();
    const compiler = new Compiler();
    const callers = Array.from({ length: 100 }, () => cache.getOrCompile("a", compiler.compile));
    expect(compiler.pending).toHaveLength(1);
    compiler.pending[0]!.resolve("plan");
    expect(new Set(await Promise.all(callers))).toEqual(new Set(["plan"]));
    expect(cache.stats()).toMatchObject({ compiles: 1, coalesced: 99, misses: 100, inFlight: 0 });
    expect(await cache.getOrCompile("a", compiler.compile)).toBe("plan");
    expect(cache.stats().hits).toBe(1);
  });

  it("gives its error to all who wait, and keeps nothing of it", async () => {
    const cache = new PlanCache<string>();
    const compiler = new Compiler();
    const callers = [1, 2, 3].map(() => cache.getOrCompile("a", compiler.compile));
    const failure = new Error("no such collection");
    compiler.pending[0]!.reject(failure);
    for (const caller of callers) await expect(caller).rejects.toBe(failure);
    expect(cache.stats()).toMatchObject({ size: 0, compiles: 0, compileFailures: 1, inFlight: 0 });
    expect(await cache.getOrCompile("a", () => "second try")).toBe("second try");
  });

  it("rejects, and does not throw, where the compiler throws", async () => {
    const cache = new PlanCache<string>();
    const call = cache.getOrCompile("a", () => {
      throw new Error("at once");
    });
    await expect(call).rejects.toThrow("at once");
  });

  it.each<[string, (cache: PlanCache<string>) => void]>([
    ["its tag is invalidated", (cache) => cache.invalidate("users")],
    ["the cache is cleared", (cache) => cache.clear()],
    ["its text is deleted", (cache) => cache.delete("a")],
  ])("keeps no plan whose compilation was overtaken: %s", async (_, change) => {
    const cache = new PlanCache<string>();
    const compiler = new Compiler();
    const before = cache.getOrCompile("a", compiler.compile, { tags: () => ["users"] });
    change(cache);
    const after = cache.getOrCompile("a", compiler.compile, { tags: () => ["users"] });
    expect(compiler.pending).toHaveLength(2);
    compiler.pending[1]!.resolve("new");
    expect(await after).toBe("new");
    compiler.pending[0]!.resolve("old");
    expect(await before).toBe("old");
    expect(cache.get("a")).toBe("new");
    expect(cache.stats()).toMatchObject({ compiles: 2, overtaken: 1, inFlight: 0 });
  });

  it("lets a plan that was set meanwhile stand", async () => {
    const cache = new PlanCache<string>();
    const compiler = new Compiler();
    const call = cache.getOrCompile("a", compiler.compile);
    cache.set("a", "set");
    compiler.pending[0]!.resolve("compiled");
    expect(await call).toBe("compiled");
    expect(cache.get("a")).toBe("set");
  });

  it("goes on sharing a compilation when a tag that is not its own is invalidated", async () => {
    const cache = new PlanCache<string>();
    const compiler = new Compiler();
    const first = cache.getOrCompile("a", compiler.compile, { tags: ["users"] });
    cache.invalidate("orders");
    const second = cache.getOrCompile("a", compiler.compile, { tags: ["users"] });
    compiler.pending[0]!.resolve("plan");
    expect(await Promise.all([first, second])).toEqual(["plan", "plan"]);
    expect(compiler.pending).toHaveLength(1);
    expect(cache.get("a")).toBe("plan");
  });

  it("counts one look-up, and its sync sibling too", async () => {
    const cache = new PlanCache<string>();
    cache.getOrCompileSync("a", () => "1");
    await cache.getOrCompile("b", () => "2");
    cache.getOrCompileSync("a", () => "3");
    expect(cache.stats()).toMatchObject({ hits: 1, misses: 2, compiles: 2 });
  });

  it("keeps no plan when its own synchronous compiler invalidates or clears", () => {
    const cache = new PlanCache<string>();
    cache.getOrCompileSync(
      "a",
      () => {
        cache.invalidate("t");
        return "old";
      },
      { tags: ["t"] },
    );
    cache.getOrCompileSync("b", () => {
      cache.clear();
      return "old";
    });
    expect(cache.stats()).toMatchObject({ size: 0, overtaken: 2, inFlight: 0 });
  });

  it("never serves a plan older than the last invalidation before the call, whatever happens at once", async () => {
    const seeds = Number(process.env.FORMDB_CACHE_STRESS_SEEDS ?? 40);
    for (let seed = 1; seed <= seeds; seed++) await stress(seed);
  });
});

/** Plans are versions of their tag at the time when compiling began: a plan below the caller's version is stale. */
async function stress(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const upTo = (n: number): number => Math.floor(random() * n);
  const cache = new PlanCache<number>({ maxSize: 1 + upTo(6) });
  const versions = [0, 0, 0];
  const calls: Promise<void>[] = [];
  const compile = async (text: string): Promise<number> => {
    const version = versions[Number(text) % 3]!;
    for (let turns = upTo(8); turns > 0; turns--) await undefined;
    if (random() < 0.1) throw new Error("compiler failed");
    return version;
  };
  for (let step = 0; step < 300; step++) {
    const text = String(upTo(9));
    const tag = Number(text) % 3;
    const wanted = versions[tag]!;
    const choice = random();
    if (choice < 0.15) {
      versions[tag]!++;
      cache.invalidate(`t${tag}`);
    } else if (choice < 0.17) {
      cache.clear();
    } else if (choice < 0.2) {
      cache.delete(text);
    } else if (choice < 0.3) {
      const plan = cache.get(text);
      if (plan !== undefined) expect(plan).toBe(wanted);
    } else {
      const tags = random() < 0.5 ? [`t${tag}`] : (): string[] => [`t${tag}`];
      const call = cache.getOrCompile(text, compile, { tags });
      calls.push(
        call.then(
          (plan) => expect(plan).toBeGreaterThanOrEqual(wanted),
          (error: Error) => expect(error.message).toBe("compiler failed"),
        ),
      );
    }
    if (random() < 0.4) await undefined;
  }
  await Promise.all(calls);
  const { inFlight, misses, compiles, compileFailures, coalesced } = cache.stats();
  expect(inFlight).toBe(0);
  expect(compiles + compileFailures + coalesced).toBeLessThanOrEqual(misses);
}
