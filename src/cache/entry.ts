/** Which list of an eviction order an entry is in. Only `TinyLfuOrder` tells them apart. */
export type Segment = "window" | "probation" | "protected";

/** The tags of what depends on nothing that changes. */
export const NO_TAGS: readonly string[] = Object.freeze([]);

/**
 * One plan with its book-keeping, and a member of the one `RecencyList` that it is in. An entry that
 * had to make room stays behind as its own ghost (`GhostList`), without text and plan.
 */
export class Entry<Plan> {
  // What a hit touches comes first, so that it lies together in memory.
  plan: Plan | undefined = undefined;
  /** The store's moment at which it was last found fresh; see `PlanStore.hit`. */
  verifiedAt = -1;
  /** Its place in the `RecencyList` that it is in, which alone gives it a meaning. */
  slot = 0;
  /** Hits since the plan was written. */
  hits = 0;
  text: string;
  /** Stands for the text in the frequency sketch and among the ghosts. */
  readonly hash: number;
  tags: readonly string[] = NO_TAGS;
  bytes = 0;
  /** What compiling the plan cost, in milliseconds; 0 where nobody said. */
  compileMs = 0;
  /** On the cache's clock. Reads leave it alone: they refresh recency, not age. */
  writtenAt = 0;
  /** The epoch of tags at which the plan was last known not to be stale. */
  epoch = 0;
  segment: Segment = "window";

  constructor(text: string, hash: number) {
    this.text = text;
    this.hash = hash;
  }
}
