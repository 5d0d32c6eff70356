const CHUNK_LENGTH = 1_024;

/** A run of numbers: `length` slots of `values`, from `slot` on. */
export interface CellRun {
  readonly values: Float64Array;
  readonly slot: number;
}

/**
 * Hands out runs of slots in typed arrays. A run never moves and is never taken back, so that whoever holds
 * one records by an add into an array that it already has.
 */
export class Cells {
  #chunk = new Float64Array(CHUNK_LENGTH);
  #used = 0;

  take(length: number): CellRun {
    if (length > CHUNK_LENGTH) return { values: new Float64Array(length), slot: 0 };
    if (this.#used + length > CHUNK_LENGTH) {
      this.#chunk = new Float64Array(CHUNK_LENGTH);
      this.#used = 0;
    }
    const slot = this.#used;
    this.#used += length;
    return { values: this.#chunk, slot };
  }
}
