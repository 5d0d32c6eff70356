import { getOrInsert } from "../base/maps.ts";
import type { NestingContext } from "./nesting.ts";

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
 * thousand of them outlive the young generation, and their bytes are what a long queue costs.
 */
export class Waiter<T> {
  readonly promise: Promise<T>;
  readonly resolve: (resource: T) => void;
  readonly reject: (error: unknown) => void;
  /** When it began to wait. */
  readonly since: number;
  /** When its time is up. */
  deadline: number;
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
    this.deadline = since + timeoutMs;
    this.particulars = particulars;
    if (particulars !== undefined) {
      particulars.signal?.addEventListener("abort", this);
      particulars.context?.enterQueue();
    }
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

/** The waiters of one priority, first come first. */
export interface PriorityLevel<T> {
  readonly priority: number;
  first: Waiter<T> | undefined;
  last: Waiter<T> | undefined;
}

/** The waiters of one timeout. They came in order, so their deadlines are in order too. */
export interface DeadlineList<T> {
  readonly timeoutMs: number;
  first: Waiter<T> | undefined;
  last: Waiter<T> | undefined;
}

/**
 * Callers in the order in which they are served: by priority, higher first, then by arrival. A second set of
 * lists, one for each timeout in use, finds those whose time is up without a timer for each or a heap: as
 * libuv's and Node's own timer lists do. Joining, leaving and being served take constant time.
 */
export class WaitQueue<T> {
  readonly #normal: PriorityLevel<T> = { priority: 0, first: undefined, last: undefined };
  /** Higher priorities first; the level of priority 0 always stays. */
  readonly #levels: PriorityLevel<T>[] = [this.#normal];
  readonly #usual: DeadlineList<T>;
  readonly #byTimeout: Map<number, DeadlineList<T>> = new Map();
  #length = 0;

  constructor(usualTimeoutMs: number) {
    this.#usual = { timeoutMs: usualTimeoutMs, first: undefined, last: undefined };
    this.#byTimeout.set(usualTimeoutMs, this.#usual);
  }

  get length(): number {
    return this.#length;
  }

  /** Who is served next. */
  peek(): Waiter<T> | undefined {
    if (this.#length === 0) return undefined;
    for (const level of this.#levels) if (level.first !== undefined) return level.first;
    return undefined;
  }

  /** Takes a waiter in, whose deadline is `timeoutMs` after it came. */
  push(waiter: Waiter<T>, timeoutMs: number): void {
    const priority = waiter.particulars?.priority ?? 0;
    const level = priority === 0 ? this.#normal : this.#level(priority);
    waiter.level = level;
    waiter.ahead = level.last;
    if (level.last === undefined) level.first = waiter;
    else level.last.behind = waiter;
    level.last = waiter;
    this.#length++;

    if (timeoutMs === Infinity) return;
    const list = timeoutMs === this.#usual.timeoutMs ? this.#usual : this.#list(timeoutMs);
    waiter.deadlines = list;
    waiter.sooner = list.last;
    if (list.last === undefined) list.first = waiter;
    else list.last.later = waiter;
    list.last = waiter;
  }

  /** Takes a waiter out; false when it waits no more. */
  remove(waiter: Waiter<T>): boolean {
    const level = waiter.level;
    if (level === undefined) return false;
    waiter.level = undefined;
    if (waiter.ahead === undefined) level.first = waiter.behind;
    else waiter.ahead.behind = waiter.behind;
    if (waiter.behind === undefined) level.last = waiter.ahead;
    else waiter.behind.ahead = waiter.ahead;
    if (level.first === undefined && level !== this.#normal)
      this.#levels.splice(this.#levels.indexOf(level), 1);
    waiter.ahead = undefined;
    waiter.behind = undefined;
    this.#length--;
    this.#forgetDeadline(waiter);
    waiter.leave();
    return true;
  }

  /** The soonest deadline; looks at one waiter for each timeout in use. */
  nextDeadline(): number {
    let next = Infinity;
    for (const { first } of this.#byTimeout.values()) {
      if (first !== undefined && first.deadline < next) next = first.deadline;
    }
    return next;
  }

  /** A waiter whose deadline is not after `now`. */
  firstExpired(now: number): Waiter<T> | undefined {
    for (const { first } of this.#byTimeout.values()) {
      if (first !== undefined && first.deadline <= now) return first;
    }
    return undefined;
  }

  /** Postpones all deadlines by a time in which the process could not run. Their order stays as it is. */
  excuse(stallMs: number, now: number): void {
    for (const { first } of this.#byTimeout.values()) {
      for (let waiter = first; waiter !== undefined; waiter = waiter.later) {
        waiter.deadline += Math.min(stallMs, now - waiter.since);
      }
    }
  }

  /** When the one who came first came; `Infinity` when nobody waits. */
  oldestSince(): number {
    let oldest = Infinity;
    for (const { first } of this.#levels)
      if (first !== undefined && first.since < oldest) oldest = first.since;
    return oldest;
  }

  /** All waiters, in order of service. */
  list(): Waiter<T>[] {
    const waiters: Waiter<T>[] = [];
    for (const level of this.#levels) {
      for (let waiter = level.first; waiter !== undefined; waiter = waiter.behind) waiters.push(waiter);
    }
    return waiters;
  }

  #level(priority: number): PriorityLevel<T> {
    let at = 0;
    while (at < this.#levels.length && this.#levels[at]!.priority > priority) at++;
    const found = this.#levels[at];
    if (found?.priority === priority) return found;
    const level = { priority, first: undefined, last: undefined };
    this.#levels.splice(at, 0, level);
    return level;
  }

  #list(timeoutMs: number): DeadlineList<T> {
    return getOrInsert(this.#byTimeout, timeoutMs, () => ({ timeoutMs, first: undefined, last: undefined }));
  }

  #forgetDeadline(waiter: Waiter<T>): void {
    const list = waiter.deadlines;
    if (list === undefined) return;
    waiter.deadlines = undefined;
    if (waiter.sooner === undefined) list.first = waiter.later;
    else waiter.sooner.later = waiter.later;
    if (waiter.later === undefined) list.last = waiter.sooner;
    else waiter.later.sooner = waiter.sooner;
    if (list.first === undefined && list !== this.#usual) this.#byTimeout.delete(list.timeoutMs);
    waiter.sooner = undefined;
    waiter.later = undefined;
  }
}
