import { bounded, type CallOptions, TimeOfParts } from "../../base/abort.ts";
import { systemClock } from "../../base/clock.ts";
import { notSent } from "../../base/errors.ts";

/** A write of documents of a collection. */
export interface OrderedWrite {
  /** The call, for messages. */
  readonly what: string;
  readonly collection: string;
  readonly ids: Iterable<string>;
  readonly options: CallOptions | undefined;
}

/** Lets one write on a document's id be sent once the one before it is answered, so that ids keep their order. */
export class WritesInOrder {
  readonly #last = new Map<string, Promise<unknown>>();
  /** Writes of several requests, between which none may be under way. */
  readonly #batches = new Set<Promise<unknown>>();

  /** Runs a write in its turn, with the bounds that its wait has left. One whose time ends while it waits is not sent. */
  run<T>(
    { what, collection, ids, options }: OrderedWrite,
    write: (left: CallOptions | undefined) => Promise<T>,
  ): Promise<T> {
    const keys = Array.from(new Set(ids), (id) => `${collection}\0${id}`);
    const before = keys.map((key) => this.#last.get(key)).filter((one) => one !== undefined);
    const written = before.length === 0 ? write(options) : inTurn(what, Promise.all(before), options, write);
    // One that waits no longer leaves those behind it where they are.
    const settled: Promise<unknown> = Promise.allSettled([...before, written]).then(() => {
      for (const key of keys) if (this.#last.get(key) === settled) this.#last.delete(key);
    });
    for (const key of keys) this.#last.set(key, settled);
    return written;
  }

  /** Notes a write of several requests, each of which is run. */
  async batch<T>(write: Promise<T>): Promise<T> {
    this.#batches.add(write);
    try {
      return await write;
    } finally {
      this.#batches.delete(write);
    }
  }

  /** Resolves when all writes that have begun by now have ended, in whatever way. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#last.values(), ...this.#batches]);
  }
}

async function inTurn<T>(
  what: string,
  before: Promise<unknown>,
  options: CallOptions | undefined,
  write: (left: CallOptions | undefined) => Promise<T>,
): Promise<T> {
  if (options === undefined) return before.then(() => write(undefined));
  const time = new TimeOfParts(what, options, systemClock);
  let left: CallOptions;
  try {
    await bounded(what, before, systemClock, options);
    left = time.next();
  } catch (error) {
    notSent(error);
  }
  return write(left).catch((error: unknown) => {
    throw time.errorOf(error);
  });
}
