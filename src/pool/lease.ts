/** A resource for as long as a block lasts: `await using lease = await pool.lease()`. */
export class Lease<T> implements AsyncDisposable {
  readonly resource: T;
  readonly #giveBack: (error: unknown) => void;
  #released = false;

  /** @internal */
  constructor(resource: T, giveBack: (error: unknown) => void) {
    this.resource = resource;
    this.#giveBack = giveBack;
  }

  /** Gives the resource back before the block ends; a fatal error evicts it. A second time throws. */
  release(error?: unknown): void {
    this.#giveBack(error);
    this.#released = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#released) this.release();
  }
}
