import type { EndedQuery } from "../../src/base/observer.ts";

/** A read by id that took no time and found its document, but for what the test says of it. */
export function endedQuery(facts: Partial<EndedQuery> = {}): EndedQuery {
  return {
    operation: "get",
    collection: "users",
    code: "",
    totalMs: 0,
    waitMs: 0,
    databaseMs: 0,
    decodeMs: 0,
    rows: 1,
    shape: "get users",
    cacheHit: true,
    ...facts,
  };
}
