import type { Operation } from "./operation.ts";

const FIRST_SIZE = 1_024;
/** Drawn anew in each process, so that nobody can choose ids that all have one hash. */
const SEED = Math.floor(Math.random() * 2 ** 32) | 0;
const FACTOR = 0x85eb_ca6b;

/**
 * By collection and id, the last operation that is not settled. A hash table of lists that run through the operations
 * themselves: of a `Map`, which does the same for ten times the price, deleting is the dear part.
 */
export class Tails {
  #lists: (Operation | undefined)[] = empty(FIRST_SIZE);
  #count = 0;

  /** Makes an operation the last of its id. Gives the one that was. */
  put(operation: Operation): Operation | undefined {
    if (this.#count === this.#lists.length) this.#grow();
    operation.hash = hashOf(operation.id);
    const before = this.#find(operation);
    if (before !== undefined) this.delete(before);
    this.#link(operation);
    this.#count++;
    return before;
  }

  /** Takes an operation out, if it is the last of its id. */
  delete(operation: Operation): void {
    const lists = this.#lists;
    const place = operation.hash & (lists.length - 1);
    let at = lists[place];
    if (at === operation) lists[place] = operation.below;
    else {
      while (at !== undefined && at.below !== operation) at = at.below;
      if (at === undefined) return;
      at.below = operation.below;
    }
    operation.below = undefined;
    this.#count--;
  }

  #find({ hash, id, collection }: Operation): Operation | undefined {
    let at = this.#lists[hash & (this.#lists.length - 1)];
    while (at !== undefined && (at.hash !== hash || at.id !== id || at.collection !== collection))
      at = at.below;
    return at;
  }

  #link(operation: Operation): void {
    const place = operation.hash & (this.#lists.length - 1);
    operation.below = this.#lists[place];
    this.#lists[place] = operation;
  }

  #grow(): void {
    const lists = this.#lists;
    this.#lists = empty(2 * lists.length);
    for (let at of lists) {
      while (at !== undefined) {
        const { below } = at;
        this.#link(at);
        at = below;
      }
    }
  }
}

function empty(size: number): (Operation | undefined)[] {
  return new Array<Operation | undefined>(size).fill(undefined);
}

function hashOf(id: string): number {
  let hash = SEED;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), FACTOR);
  // The lower bits choose the list, and the product moves what differs upwards.
  return hash ^ (hash >>> 15);
}
