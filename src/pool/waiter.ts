import type { NestingContext } from "./nesting.ts";
import type { DeadlineList, PriorityLevel } from "./wait-queue.ts";

/** What only some callers ask for or carry with them. */
export interface Particulars<T> {
  readonly priority: number;
  readonly prefer: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: (waiter: Waiter<T>) => void;
  /** Where it was asked for. */
  readonly origin: Error | undefined;
  readonly context: NestingContext | undefined;
}

/**
 * A caller that waits for a resource. It is its own abort listener and carries the links of the two lists
 * that it stands in, so that waiting allocates little else than the caller's promise. It is kept small: ten
 * thousand of them outlive the young generation, and their bytes are what a long line costs.
 */
export class Waiter<T> {
  readonly promise: Promise<T>;
  readonly resolve: (resource: T) => void;
  readonly reject: (error: unknown) => void;
  /** When it began to wait. */
  readonly since: number;
  readonly timeoutMs: number;
  /** Undefined for a caller like most. */
  readonly particulars: Particulars<T> | undefined;

  /** Undefined once it waits no more. */
  level: PriorityLevel<T> | undefined = undefined;
  ahead: Waiter<T> | undefined = undefined;
  behind: Waiter<T> | undefined = undefined;
  deadlines: DeadlineList<T> | undefined = undefined;
  sooner: Waiter<T> | undefined = undefined;
  later: Waiter<T> | undefined = undefined;

  constructor(since: number, timeoutMs: number, particulars: Particulars<T> | undefined) {
    this.promise = new Promise<T>(keepSettlers as never);
    this.resolve = lastResolve as never;
    this.reject = lastReject;
    this.since = since;
    this.timeoutMs = timeoutMs;
    this.particulars = particulars;
    if (particulars !== undefined) {
      particulars.signal?.addEventListener("abort", this);
      particulars.context?.enterQueue();
    }
  }

  get deadline(): number {
    return this.since + this.timeoutMs;
  }

  handleEvent(): void {
    this.particulars!.onAbort(this);
  }

  /** Its wait is over, in whatever way. */
  leave(): void {
    if (this.particulars === undefined) return;
    this.particulars.signal?.removeEventListener("abort", this);
    this.particulars.context?.leaveQueue();
  }
}

// One function for all promises, instead of a closure for each.
let lastResolve: (value: never) => void;
let lastReject: (error: unknown) => void;

function keepSettlers(resolve: (value: never) => void, reject: (error: unknown) => void): void {
  lastResolve = resolve;
  lastReject = reject;
}
