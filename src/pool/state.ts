import { refused } from "./failures.ts";
import type { PoolState } from "./stats.ts";

const NEXT: Readonly<Record<PoolState, readonly PoolState[]>> = {
  paused: ["ready", "draining", "closing"],
  ready: ["paused", "draining", "closing"],
  draining: ["paused", "ready", "closing"],
  closing: ["closed"],
  closed: [],
};

/** The one way from a pool's state to another. A pool that closes can't come back: `FORMDB_POOL_CLOSED`. */
export function moved(from: PoolState, to: PoolState): PoolState {
  if (!NEXT[from].includes(to)) throw refused(from === "closed" ? "closed" : "closing");
  return to;
}
