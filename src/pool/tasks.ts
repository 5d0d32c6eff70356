import { timeoutError } from "../base/abort.ts";

/** How a task ended: with a value, or with an error; an error is never `undefined` here. */
export type TaskEnd<V> = (error: unknown, value: V | undefined) => void;

/** What is waited for, and how long from `now`. */
export interface TaskLimits {
  readonly what: string;
  readonly timeoutMs: number;
  readonly now: number;
}

interface Task {
  readonly limits: TaskLimits;
  deadline: number;
  end: TaskEnd<never> | undefined;
}

/**
 * Calls into the user's code that may take long, for ever, or throw. Each has a deadline, which the pool's
 * one timer watches, and ends exactly once; `afterEach` runs when the end has been dealt with.
 */
export class Tasks {
  readonly #running: Set<Task> = new Set();
  readonly #afterEach: () => void;

  constructor(afterEach: () => void) {
    this.#afterEach = afterEach;
  }

  get size(): number {
    return this.#running.size;
  }

  /**
   * Waits for `work` until the deadline. `end` gets the outcome; `tooLate` gets a value that arrives
   * after the end. Gives a function that ends the task at once with an error, without `afterEach`.
   */
  watch<V>(
    limits: TaskLimits,
    work: PromiseLike<V>,
    end: TaskEnd<V>,
    tooLate?: (value: V) => void,
  ): (error: unknown) => void {
    const task: Task = { limits, deadline: limits.now + limits.timeoutMs, end };
    this.#running.add(task);
    work.then(
      (value) => {
        if (this.#end(task, undefined, value)) this.#afterEach();
        else tooLate?.(value);
      },
      (error: unknown) => {
        if (this.#end(task, error ?? new Error("rejected without a reason"), undefined)) this.#afterEach();
      },
    );
    return (error) => void this.#end(task, error, undefined);
  }

  nextDeadline(): number {
    let next = Infinity;
    for (const { deadline } of this.#running) if (deadline < next) next = deadline;
    return next;
  }

  /** Ends the tasks whose deadline is not after `now`. */
  expire(now: number): void {
    for (const task of this.#running) {
      const { what, timeoutMs } = task.limits;
      if (task.deadline <= now && this.#end(task, timeoutError(what, timeoutMs), undefined))
        this.#afterEach();
    }
  }

  /** Postpones the deadlines by a time in which the process could not run. */
  excuse(stallMs: number, now: number): void {
    for (const task of this.#running) task.deadline += Math.min(stallMs, now - task.limits.now);
  }

  /** False if the task has ended already. */
  #end(task: Task, error: unknown, value: unknown): boolean {
    const end = task.end as TaskEnd<unknown> | undefined;
    if (end === undefined) return false;
    task.end = undefined;
    this.#running.delete(task);
    end(error, value);
    return true;
  }
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function"
  );
}
