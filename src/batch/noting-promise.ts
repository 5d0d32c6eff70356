/**
 * A promise that knows whether anybody waits for it. Of a call that adds operations it tells whether the producer can be
 * slowed down while the queue is full, or must be refused what did not fit; of a result, whether anybody sees it.
 */
export class NotingPromise<T> extends Promise<T> {
  /** Whether somebody waits. Known two microtasks after the call, when an `await` in the same tick has reached it. */
  awaited: boolean = false;

  /** One that ends as another promise does. */
  static of<T>(promise: Promise<T>): NotingPromise<T> {
    return new NotingPromise((resolve) => resolve(promise));
  }

  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  // biome-ignore lint/suspicious/noThenProperty: whoever awaits calls it, and that is what must be known
  override then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
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

/** Runs once an `await` in the same tick has had its chance. */
export async function afterDecision(decide: () => void): Promise<void> {
  for (let i = 0; i < 3; i++) await undefined;
  decide();
}
