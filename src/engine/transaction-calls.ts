import { Find } from "./collection/find.ts";

/** The promise of a call, which notes whether anybody takes what it gives. */
class Call<T> extends Promise<T> {
  isTaken = false;

  /** What follows from a call is its caller's own. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  // biome-ignore lint/suspicious/noThenProperty: a promise has one
  override then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.isTaken = true;
    return super.then(onFulfilled, onRejected);
  }

  /** So that its failure does not end the process, as one that nobody handles. */
  handle(): void {
    super.then(undefined, () => {});
  }
}

/** The calls that the code of a transaction makes, and which of them failed without anybody awaiting them. */
export class TransactionCalls {
  readonly #pending = new Set<Call<unknown>>();
  readonly #failed = new Map<Call<unknown>, unknown>();
  /** Whether the transaction takes no more of them: what is called now fails for its caller alone. */
  ended = false;

  /** The call's promise for its caller. */
  watch<T>(call: Promise<T>): Promise<T> {
    if (this.ended) return call;
    const watched = new Call<T>((resolve, reject) => {
      call.then(
        (value) => {
          this.#pending.delete(watched);
          resolve(value);
        },
        (error) => {
          this.#pending.delete(watched);
          this.#failed.set(watched, error);
          watched.handle();
          reject(error);
        },
      );
    });
    this.#pending.add(watched);
    return watched;
  }

  /** Waits for the calls that are under way now. Throws what one of them, or one before that nobody awaited, failed with. */
  async finish(): Promise<void> {
    this.throwUntaken();
    await Promise.all(this.#pending);
  }

  /** The same for what a function gives. */
  watchFunction<F extends (...values: never[]) => unknown>(call: F): F {
    return new Proxy(call, {
      apply: (target, self, values) => this.#give(Reflect.apply(target, self, values)),
    });
  }

  /** The same for what a handle's methods give, and those of what it finds. */
  watchMethods<H extends object>(handle: H): H {
    return new Proxy(handle, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === "function" ? this.watchFunction(member.bind(target)) : member;
      },
    });
  }

  #give(result: unknown): unknown {
    if (result instanceof Promise) return this.watch(result);
    return result instanceof Find ? this.watchMethods(result) : result;
  }

  /** Throws what the first call failed with that nobody awaited, and nobody had begun to. */
  throwUntaken(): void {
    for (const [{ isTaken }, error] of this.#failed) if (!isTaken) throw error;
  }
}
