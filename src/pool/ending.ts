import { timeoutError } from "../base/abort.ts";

/** A drain or a close that goes on until nothing is left to wait for, or until its deadline. */
export class Ending<V> {
  readonly promise: Promise<V>;
  readonly resolve: (value: V) => void;
  readonly reject: (error: unknown) => void;
  readonly #what: string;
  readonly #startedAt: number;
  #deadline: number;

  constructor(what: string, startedAt: number, deadlineMs: number) {
    const { promise, resolve, reject } = Promise.withResolvers<V>();
    this.promise = promise;
    this.resolve = resolve;
    this.reject = reject;
    this.#what = what;
    this.#startedAt = startedAt;
    this.#deadline = startedAt + deadlineMs;
  }

  get deadline(): number {
    return this.#deadline;
  }

  noLaterThan(deadline: number): void {
    this.#deadline = Math.min(this.#deadline, deadline);
  }

  expire(): void {
    this.reject(timeoutError(this.#what, this.#deadline - this.#startedAt));
  }
}
