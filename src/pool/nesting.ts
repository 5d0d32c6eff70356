import { AsyncLocalStorage } from "node:async_hooks";

/** One `use` call in progress: everything asynchronous that it starts knows it. */
export class NestingContext {
  readonly #outer: NestingContext | undefined;
  #waiting = 0;

  constructor(outer: NestingContext | undefined) {
    this.#outer = outer;
  }

  /** Whether something inside this call waits for the pool. */
  get blocked(): boolean {
    return this.#waiting > 0;
  }

  enterQueue(): void {
    this.#waiting++;
    this.#outer?.enterQueue();
  }

  leaveQueue(): void {
    this.#waiting--;
    this.#outer?.leaveQueue();
  }
}

/** Knows which `use` call of a pool the running code is inside. */
export class Nesting {
  readonly #storage: AsyncLocalStorage<NestingContext> = new AsyncLocalStorage();

  current(): NestingContext | undefined {
    return this.#storage.getStore();
  }

  run<R>(context: NestingContext, call: () => R): R {
    return this.#storage.run(context, call);
  }
}
