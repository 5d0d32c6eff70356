import type { CacheMissReason } from "../base/observer.ts";

/**
 * One compilation that has begun and not ended. It counts for the cache as long as it is registered there under its
 * text: whatever writes to that place meanwhile takes it out, and its plan is then not kept.
 */
export interface Flight<Plan> {
  readonly text: string;
  /** Why it was needed: also the reason of those who join it. */
  readonly reason: CacheMissReason;
  /** When it began, on the scale of `TagEpochs`. */
  readonly epoch: number;
  /** When it began, on the cache's clock. */
  readonly startedAt: number;
  /** What the plan depends on, where that is known before it is compiled. */
  readonly tags: readonly string[] | undefined;
  /** What joiners wait for; undefined while the compiler's synchronous part runs, which nobody can join. */
  plan: Promise<Plan> | undefined;
}
