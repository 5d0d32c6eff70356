import { createLRU } from "lru.min";
import { LRUCache } from "lru-cache";
import QuickLRU from "quick-lru";
import { lru } from "tiny-lru";
import { PlanCache } from "../../src/cache/plan-cache.ts";
import { sqlTexts, zipf } from "./workloads.ts";

/**
 * The caches of `cache-get.ts` and `cache-set.ts`, each of which holds all the texts. Both scenarios write a loop of its own for each of
 * them, so that none runs on code specialised for another's types.
 */
export interface Plan {
  readonly statement: string;
}

/** Plans that each cache holds, and texts that there are. */
const SIZE = 1_000;
export const TTL_MS = 300_000;
/** Look-ups or entries of one call of a contender. */
export const OPERATIONS = 250;

const texts = sqlTexts(SIZE);
const sequence = Array.from(zipf(SIZE, 1, 42, 400 * OPERATIONS), (rank) => texts[rank]!);
// In small portions: a long loop would be compiled while it runs, worse and differently from run to run.
const portions = Array.from({ length: 400 }, (_, i) => sequence.slice(i * OPERATIONS, (i + 1) * OPERATIONS));
let next = 0;
const compile = (text: string): Plan => ({ statement: text });

export const ours: PlanCache<Plan> = new PlanCache<Plan>({ maxSize: SIZE, ttlMs: TTL_MS });
export const lruCache: LRUCache<string, Plan> = new LRUCache<string, Plan>({ max: SIZE, ttl: TTL_MS });
export const quickLru: QuickLRU<string, Plan> = new QuickLRU<string, Plan>({ maxSize: SIZE, maxAge: TTL_MS });
export const lruMinByHand = createLRU<string, { plan: Plan; expiresAt: number }>({ max: SIZE });
export const lruMin = createLRU<string, Plan>({ max: SIZE });
export const map: Map<string, Plan> = new Map<string, Plan>();
for (const text of texts) {
  const plan = ours.getOrCompileSync(text, compile);
  lruCache.set(text, plan);
  quickLru.set(text, plan);
  lruMinByHand.set(text, { plan, expiresAt: Date.now() + TTL_MS });
  lruMin.set(text, plan);
  map.set(text, plan);
}

/** tiny-lru renews an entry's time to live on `set` only if it is told so when it is made. */
export function tinyLru({ renews }: { readonly renews: boolean }): ReturnType<typeof lru<Plan>> {
  const cache = lru<Plan>(SIZE, TTL_MS, renews);
  for (const text of texts) cache.set(text, compile(text));
  return cache;
}

/** The next texts to ask for. */
export function portion(): readonly string[] {
  next = (next + 1) % portions.length;
  return portions[next]!;
}
