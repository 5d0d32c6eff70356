/**
 * A listener of the application, made safe to call: what it throws goes no further, nor does what a promise that it
 * returns rejects with. Any listener may be an `async` function, and a rejection that nobody takes ends the process.
 */
export function guardCallback<Values extends readonly unknown[]>(
  listener: (...values: Values) => unknown,
): (...values: Values) => void {
  return (...values) => {
    try {
      disown(listener(...values));
    } catch {
      // A listener's failure is its own.
    }
  };
}

/** Takes the rejection of what a callback has returned, if that is a promise. Gives whether it is one. */
export function disown(returned: unknown): boolean {
  if (typeof returned !== "object" || returned === null) return false;
  if (typeof (returned as { then?: unknown }).then !== "function") return false;
  Promise.resolve(returned).catch(ignore);
  return true;
}

function ignore(): void {}
