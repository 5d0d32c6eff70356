import type { NestingContext } from "./nesting.ts";
import type { DeadlineList, PriorityLevel } from "./wait-queue.ts";

/**
 * A caller that waits for a resource. It is its own abort listener and carries the links of the two lists
 * that it stands in, so that waiting allocates little else than the caller's promise.
 */
export class Waiter<T> {
  readonly promise: Promise<T>;
  readonly resolve: (resource: T) => void;
  readonly reject: (error: unknown) => void;
  /** When it began to wait. */
  readonly since: number;
  readonly timeoutMs: number;
  readonly deadline: number;
  readonly priority: number;
  readonly prefer: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly origin: Error | undefined;
  readonly context: NestingContext | undefined;
  readonly #onAbort: (waiter: Waiter<T>) => void;

  /** Undefined once it waits no more. */
  level: PriorityLevel<T> | undefined = undefined;
  ahead: Waiter<T> | undefined = undefined;
  behind: Waiter<T> | undefined = undefined;
  deadlines: DeadlineList<T> | undefined = undefined;
  sooner: Waiter<T> | undefined = undefined;
  later: Waiter<T> | undefined = undefined;

  constructor(
    since: number,
    timeoutMs: number,
    priority: number,
    prefer: string | undefined,
    signal: AbortSignal | undefined,
    origin: Error | undefined,
    context: NestingContext | undefined,
    onAbort: (waiter: Waiter<T>) => void,
  ) {
    this.promise = new Promise<T>(keepSettlers as never);
    this.resolve = lastResolve as never;
    this.reject = lastReject;
    this.since = since;
    this.timeoutMs = timeoutMs;
    this.deadline = since + timeoutMs;
    this.priority = priority;
    this.prefer = prefer;
    this.signal = signal;
    this.origin = origin;
    this.context = context;
    this.#onAbort = onAbort;
    signal?.addEventListener("abort", this);
  }

  handleEvent(): void {
    this.#onAbort(this);
  }

  /** Its wait is over, in whatever way. */
  leave(): void {
    this.signal?.removeEventListener("abort", this);
    this.context?.leaveQueue();
  }
}

// One function for all promises, instead of a closure for each.
let lastResolve: (value: never) => void;
let lastReject: (error: unknown) => void;

function keepSettlers(resolve: (value: never) => void, reject: (error: unknown) => void): void {
  lastResolve = resolve;
  lastReject = reject;
}
