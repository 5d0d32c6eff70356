import type { Cells } from "./cells.ts";
import type { Backlog } from "./deferred/backlog.ts";

/** What series need of the store that they belong to. */
export interface StoreContext {
  readonly cells: Cells;
  /** Settled before a value is read. */
  readonly backlog: Backlog;
  /** Milliseconds since 1970. */
  wallTime(): number;
  /** Counts a value that was left out. */
  ignored(): void;
  /** Counts a look-up that ended at the overflow series of a metric. */
  overflowed(metric: string): void;
}

/** One series of a metric: a bound handle. Getting it is a look-up, recording through it is an add. */
export interface Series {
  /** In the order of the metric's label names. */
  readonly labelValues: readonly string[];
  /** `a="x",b="y"`, escaped, the store's constant labels first; empty without labels. */
  readonly text: string;
  /** Milliseconds since 1970 at which counting began. */
  readonly createdMs: number;
  reset(): void;
}
