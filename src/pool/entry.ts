import type { ConnectionCloseReason } from "../base/observer.ts";
import type { NestingContext } from "./nesting.ts";

/**
 * Where a pooled resource is: on the idle stack, with a caller, with the pool itself (`busy`: just opened, being
 * validated or reset), taken away from a caller who has not given it back yet (`revoked`), or out of the pool.
 */
export type EntryState = "idle" | "lent" | "busy" | "revoked" | "gone";

/** A resource and what the pool knows of it. Times are of the pool's clock. The state is moved by `Roster`. */
export class Entry<T> {
  readonly id: number;
  readonly resource: T;
  readonly generation: number;
  /** When it is to be retired. */
  readonly expiresAt: number;
  state: EntryState = "busy";
  /** Whether the resource is not to keep the process running while it is idle. */
  unrefIdle = false;
  /** When it was last given back, or became ready. */
  usedAt: number;
  /** When it was last known to work. */
  provenAt: number;
  lentAt = 0;
  /** How often it was lent; also tells one lease from the next. */
  loans = 0;
  /** Why it is to be closed as soon as nobody has it. */
  doom: ConnectionCloseReason | undefined = undefined;
  /** A successor is wanted before this one retires. */
  replacing = false;
  /** Where the present lease was asked for. */
  origin: Error | undefined = undefined;
  leakReported = false;
  /** The `use` call that has it, if nesting is watched. */
  context: NestingContext | undefined = undefined;
  /** Links of the idle stack. */
  below: Entry<T> | undefined = undefined;
  above: Entry<T> | undefined = undefined;

  constructor(id: number, resource: T, generation: number, now: number, expiresAt: number) {
    this.id = id;
    this.resource = resource;
    this.generation = generation;
    this.usedAt = now;
    this.provenAt = now;
    this.expiresAt = expiresAt;
  }
}

/**
 * Idle entries, the last used on top: the few that a load needs stay warm and the rest grow old enough to be
 * closed. Linked through the entries themselves, so that any of them can leave in constant time.
 */
export class IdleStack<T> {
  #top: Entry<T> | undefined = undefined;
  #bottom: Entry<T> | undefined = undefined;

  get top(): Entry<T> | undefined {
    return this.#top;
  }

  /** The entry that has been idle the longest. */
  get bottom(): Entry<T> | undefined {
    return this.#bottom;
  }

  /** Adds an entry where its `usedAt` belongs: on top, unless it was only being validated. */
  add(entry: Entry<T>): void {
    let above: Entry<T> | undefined;
    let below = this.#top;
    while (below !== undefined && below.usedAt > entry.usedAt) {
      above = below;
      below = below.below;
    }
    entry.below = below;
    entry.above = above;
    if (below === undefined) this.#bottom = entry;
    else below.above = entry;
    if (above === undefined) this.#top = entry;
    else above.below = entry;
  }

  remove(entry: Entry<T>): void {
    const { above, below } = entry;
    if (above === undefined) this.#top = below;
    else above.below = below;
    if (below === undefined) this.#bottom = above;
    else below.above = above;
    entry.above = undefined;
    entry.below = undefined;
  }
}
