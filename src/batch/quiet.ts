/** So many microtasks in a row that add nothing are quiet: callers that go on together are together. */
const QUIET_MICROTASKS = 4;
/** It is taken for quiet after so many at the latest. */
const MAX_MICROTASKS = 64;

/** Waits, for microtasks only, until callers have stopped adding: the end of an eager batch. */
export async function untilQuiet(queue: { readonly count: number }): Promise<void> {
  let seen = queue.count;
  for (let hop = 0, quiet = 0; hop < MAX_MICROTASKS && quiet < QUIET_MICROTASKS; hop++) {
    await undefined;
    quiet = queue.count === seen ? quiet + 1 : 0;
    seen = queue.count;
  }
}
