/**
 * The promise of a call that adds operations and tells nobody of each. It knows whether anybody waits for it: a producer
 * that awaits is slowed down while the queue is full, one that does not is refused what did not fit.
 */
export class Accepted extends Promise<void> {
  /** Whether somebody waits. Known two microtasks after the call, when an `await` in the same tick has reached it. */
  awaited: boolean = false;

  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  // biome-ignore lint/suspicious/noThenProperty: whoever awaits calls it, and that is what must be known
  override then<A = void, B = never>(
    // biome-ignore lint/suspicious/noConfusingVoidType: as the base class has it
    onFulfilled?: ((value: void) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.awaited = true;
    return super.then(onFulfilled, onRejected);
  }

  /** Keeps a rejection that nobody waits for from ending the process. */
  quiet(): this {
    super.then(undefined, () => {});
    return this;
  }
}
