/**
 * Plan cache against LRU libraries: `get` of 1 000 texts as long as SQL, chosen by Zipf's law, all present, each
 * cache with a time to live of five minutes. Ours counts hits and saved compile time meanwhile; the others count
 * nothing, or hits.
 *
 * lru.min has no time to live of its own: it appears once with the expiry that its users would write themselves
 * and once without any, as `Map` does, for comparison only. Each contender has a loop of its own, so that none runs on
 * code specialised for another's types.
 */

import { type Contender, compare } from "./harness/compare.ts";
import {
  lruCache,
  lruMin,
  lruMinByHand,
  map,
  OPERATIONS,
  ours,
  portion,
  quickLru,
  tinyLru,
} from "./harness/plan-caches.ts";
import { report } from "./harness/report.ts";

const tinyLruCache = tinyLru({ renews: false });
const contenders: Contender[] = [
  {
    name: "PlanCache",
    operations: OPERATIONS,
    run: () => {
      for (const text of portion()) if (ours.get(text) === undefined) throw missing(text);
    },
  },
  {
    name: "tiny-lru, TTL",
    operations: OPERATIONS,
    run: () => {
      for (const text of portion()) if (tinyLruCache.get(text) === undefined) throw missing(text);
    },
  },
  {
    name: "lru-cache, TTL",
    operations: OPERATIONS,
    run: () => {
      for (const text of portion()) if (lruCache.get(text) === undefined) throw missing(text);
    },
  },
  {
    name: "quick-lru, TTL",
    operations: OPERATIONS,
    run: () => {
      for (const text of portion()) if (quickLru.get(text) === undefined) throw missing(text);
    },
  },
  {
    name: "lru.min, TTL by hand",
    operations: OPERATIONS,
    run: () => {
      for (const text of portion()) {
        const kept = lruMinByHand.get(text);
        if (kept === undefined || kept.expiresAt <= Date.now()) throw missing(text);
      }
    },
  },
  {
    name: "lru.min, no TTL",
    operations: OPERATIONS,
    run: () => {
      for (const text of portion()) if (lruMin.get(text) === undefined) throw missing(text);
    },
  },
  {
    name: "Map, no limits",
    operations: OPERATIONS,
    run: () => {
      for (const text of portion()) if (map.get(text) === undefined) throw missing(text);
    },
  },
];

function missing(text: string): Error {
  return new Error(`Not found, although it was put in and fits: ${text}`);
}

report("get, all hits, 1 000 texts by Zipf's law", await compare(contenders));
