import { timeoutError } from "../base/abort.ts";

/** How a task ended: with a value, or with an error; an error is never `undefined` here. */
export type TaskEnd<V> = (error: unknown, value: V | undefined) => void;

interface Task {
  readonly what: string;
  readonly timeoutMs: number;
  readonly deadline: number;
  end: TaskEnd<never> | undefined;
}

/**
 * Calls into the user's code that may take long, for ever, or throw. Each has a deadline, which the pool's
 * one timer watches, and ends exactly once.
 */
export class Tasks {
  readonly #running: Set<Task> = new Set();

  get size(): number {
    return this.#running.size;
  }

  /**
   * Waits for `work` until the deadline. `end` hears how it went; `tooLate` gets a value that arrives
   * after the deadline.
   */
  watch<V>(
    what: string,
    work: PromiseLike<V>,
    timeoutMs: number,
    now: number,
    end: TaskEnd<V>,
    tooLate?: (value: V) => void,
  ): void {
    const task: Task = { what, timeoutMs, deadline: now + timeoutMs, end };
    this.#running.add(task);
    work.then(
      (value) => {
        if (task.end === undefined) tooLate?.(value);
        else this.#end(task, undefined, value);
      },
      (error: unknown) => {
        if (task.end !== undefined)
          this.#end(task, error ?? new Error("rejected without a reason"), undefined);
      },
    );
  }

  nextDeadline(): number {
    let next = Infinity;
    for (const { deadline } of this.#running) if (deadline < next) next = deadline;
    return next;
  }

  /** Ends the tasks whose deadline is not after `now`. */
  expire(now: number): void {
    for (const task of this.#running) {
      if (task.deadline <= now) this.#end(task, timeoutError(task.what, task.timeoutMs), undefined);
    }
  }

  #end(task: Task, error: unknown, value: unknown): void {
    const end = task.end as TaskEnd<unknown> | undefined;
    task.end = undefined;
    this.#running.delete(task);
    end?.(error, value);
  }
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function"
  );
}
