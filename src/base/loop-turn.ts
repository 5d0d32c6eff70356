/** Milliseconds that work on the caller's thread may go on before the event loop gets a turn. */
const TURN_AFTER_MS = 5;

const clock = performance;
const realSetImmediate = setImmediate;

let lookedAt = 0;
/** Whether the loop has had a turn since `lookedAt`. */
let turned = true;
/** The turn that all who ask wait for. */
let turn: Promise<void> | undefined;

/**
 * Promises that are resolved on the caller's thread never let the event loop turn: timers, sockets and signals wait,
 * and native memory is not freed, for as long as a program awaits one such call after the other. So each of these calls
 * asks here. If the loop has had no turn for 5 to 10 milliseconds the result is a promise of one, else undefined,
 * which costs a reading of the clock.
 */
export function turnIfDue(): Promise<void> | undefined {
  if (turn !== undefined) return turn;
  const at = clock.now();
  if (at - lookedAt < TURN_AFTER_MS) return undefined;
  lookedAt = at;
  if (turned) {
    turned = false;
    realSetImmediate(() => {
      turned = true;
    }).unref();
    return undefined;
  }
  turn = new Promise((resolve) => {
    realSetImmediate(() => {
      turn = undefined;
      resolve();
    });
  });
  return turn;
}

/** Short calls between two readings of the clock. */
const SHORT_CALLS = 16;
let shortCalls = 0;

/** The same after a call that took microseconds: the clock is read after every sixteenth only. */
export function turnAfterShortCall(): Promise<void> | undefined {
  shortCalls++;
  return shortCalls % SHORT_CALLS === 0 || turn !== undefined ? turnIfDue() : undefined;
}

/**
 * Calls back when the event loop has worked on all that it found ready in this turn: answers that came together, requests
 * that came together. Whatever those began has begun by then.
 */
export function atEndOfTurn(callback: () => void): void {
  realSetImmediate(callback);
}
