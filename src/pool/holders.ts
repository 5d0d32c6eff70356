import type { Entry } from "./entry.ts";

/** A loan, as errors and warnings tell of it. */
export interface HolderReport {
  readonly connection: number;
  readonly heldMs: number;
  /** From where it was acquired; with `trackHolders` or `leakThresholdMs`. */
  readonly stack?: string;
}

/** A loan that has lasted longer than `leakThresholdMs`. */
export interface LeakReport extends HolderReport {
  readonly leakThresholdMs: number;
}

/** Holders named in one error at most, the longest first. */
export const MAX_HOLDERS_LISTED = 20;

/** Deep enough to reach from the pool of a database to the code that called the database. */
const ORIGIN_FRAMES = 24;
const FRAMES_LISTED = 10;
/** Where this package lies, as frames of a stack name it. Undefined where a bundler has made CommonJS of it. */
const PACKAGE = (import.meta.url as string | undefined)?.slice("file://".length, -"pool/holders.ts".length);

/** The place of the call, as an error whose stack is only written out when somebody reads it. */
export function captureOrigin(above: (...values: never[]) => unknown): Error {
  const origin = new Error("acquired here"); // never thrown: only its stack is of use
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = ORIGIN_FRAMES;
  Error.captureStackTrace(origin, above);
  Error.stackTraceLimit = stackTraceLimit;
  return origin;
}

export function holderOf(entry: Entry<unknown>, now: number): HolderReport {
  const stack = entry.origin?.stack;
  return {
    connection: entry.id,
    heldMs: Math.round(now - entry.lentAt),
    ...(stack === undefined ? {} : { stack: callersOf(stack) }),
  };
}

/** The frames of a stack that are not this package's own; all, if there are no others. */
function callersOf(stack: string): string {
  const frames = stack.split("\n").slice(1);
  const isCaller = (frame: string): boolean => !frame.includes(PACKAGE!) && !frame.endsWith("(<anonymous>)");
  const callers = PACKAGE === undefined ? frames : frames.filter(isCaller);
  return (callers.length === 0 ? frames : callers).slice(0, FRAMES_LISTED).join("\n");
}

/** The holders of what is lent, the longest first. */
export function holdersOf(entries: Iterable<Entry<unknown>>, now: number): HolderReport[] {
  return [...entries]
    .filter(({ state }) => state === "lent")
    .sort((a, b) => a.lentAt - b.lentAt)
    .slice(0, MAX_HOLDERS_LISTED)
    .map((entry) => holderOf(entry, now));
}

/** What happens to a leak report unless the user wants it. */
export function warnOfLeak({ connection, heldMs, stack }: LeakReport): void {
  process.emitWarning(`Connection ${connection} has been held for ${heldMs} ms and may have been forgotten`, {
    code: "FORMDB_POOL_LEAK",
    detail: stack === undefined ? "" : `It was acquired here:\n${stack}`,
  });
}
