/**
 * Plan cache against LRU libraries: `set` of 1 000 texts as long as SQL, chosen by Zipf's law, all present already, each
 * cache with a time to live of five minutes. See `cache-get.ts` for the contenders.
 */

import { createLRU } from "lru.min";
import { LRUCache } from "lru-cache";
import QuickLRU from "quick-lru";
import { lru } from "tiny-lru";
import { PlanCache } from "../src/cache/plan-cache.ts";
import { type Contender, compare } from "./harness/compare.ts";
import { report } from "./harness/report.ts";
import { sqlTexts, zipf } from "./harness/workloads.ts";

interface Plan {
  readonly statement: string;
}

const SIZE = 1_000;
const TTL_MS = 300_000;
const OPERATIONS = 250;

const texts = sqlTexts(SIZE);
const sequence = Array.from(zipf(SIZE, 1, 42, 400 * OPERATIONS), (rank) => texts[rank]!);
// In small portions: a long loop would be compiled while it runs, worse and differently from run to run.
const portions = Array.from({ length: 400 }, (_, i) => sequence.slice(i * OPERATIONS, (i + 1) * OPERATIONS));
let next = 0;
const compile = (text: string): Plan => ({ statement: text });

const ours = new PlanCache<Plan>({ maxSize: SIZE, ttlMs: TTL_MS });
const tinyLru = lru<Plan>(SIZE, TTL_MS, true);
const lruCache = new LRUCache<string, Plan>({ max: SIZE, ttl: TTL_MS });
const quickLru = new QuickLRU<string, Plan>({ maxSize: SIZE, maxAge: TTL_MS });
const lruMinByHand = createLRU<string, { plan: Plan; expiresAt: number }>({ max: SIZE });
const lruMin = createLRU<string, Plan>({ max: SIZE });
const map = new Map<string, Plan>();
for (const text of texts) {
  const plan = ours.getOrCompileSync(text, compile);
  tinyLru.set(text, plan);
  lruCache.set(text, plan);
  quickLru.set(text, plan);
  lruMinByHand.set(text, { plan, expiresAt: Date.now() + TTL_MS });
  lruMin.set(text, plan);
  map.set(text, plan);
}

const plan: Plan = { statement: "another" };

const contenders: Contender[] = [
  {
    name: "PlanCache",
    operations: OPERATIONS,
    run: () => {
      for (const text of portion()) ours.set(text, plan);
    },
  },
  {
    name: "tiny-lru, TTL",
    operations: OPERATIONS,
    run: () => {
      for (const text of portion()) tinyLru.set(text, plan);
    },
  },
  {
    name: "lru-cache, TTL",
    operations: OPERATIONS,
    run: () => {
      for (const text of portion()) lruCache.set(text, plan);
    },
  },
  {
    name: "quick-lru, TTL",
    operations: OPERATIONS,
    run: () => {
      for (const text of portion()) quickLru.set(text, plan);
    },
  },
  {
    name: "lru.min, TTL by hand",
    operations: OPERATIONS,
    run: () => {
      for (const text of portion()) lruMinByHand.set(text, { plan, expiresAt: Date.now() + TTL_MS });
    },
  },
  {
    name: "lru.min, no TTL",
    operations: OPERATIONS,
    run: () => {
      for (const text of portion()) lruMin.set(text, plan);
    },
  },
  {
    name: "Map, no limits",
    operations: OPERATIONS,
    run: () => {
      for (const text of portion()) map.set(text, plan);
    },
  },
];

function portion(): readonly string[] {
  next = (next + 1) % portions.length;
  return portions[next]!;
}

report("set, all present, 1 000 texts by Zipf's law", await compare(contenders));
