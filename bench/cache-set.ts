/**
 * Plan cache against LRU libraries: `set` of 1 000 texts as long as SQL, chosen by Zipf's law, all present already, each
 * cache with a time to live of five minutes. See `cache-get.ts` for the contenders.
 */

import { type Contender, compare } from "./harness/compare.ts";
import {
  lruCache,
  lruMin,
  lruMinByHand,
  map,
  OPERATIONS,
  ours,
  type Plan,
  portion,
  quickLru,
  TTL_MS,
  tinyLru,
} from "./harness/plan-caches.ts";
import { report } from "./harness/report.ts";

const plan: Plan = { statement: "another" };

const tinyLruCache = tinyLru({ renews: true });
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
      for (const text of portion()) tinyLruCache.set(text, plan);
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

report("set, all present, 1 000 texts by Zipf's law", await compare(contenders));
