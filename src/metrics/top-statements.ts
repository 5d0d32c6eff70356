import type { EndedGroup, EndedQuery } from "../base/observer.ts";
import { checkOptions, integer } from "../base/options.ts";
import { Backlog } from "./deferred/backlog.ts";
import { StatementSlot, type StatementStats } from "./statement-slot.ts";

export type { StatementStats } from "./statement-slot.ts";

/** How many statements are kept. */
export interface TopStatementsOptions {
  /** How many shapes are followed; default 200. */
  readonly slots?: number | undefined;
}

/** Longer shapes are cut, and counted with all that begin alike. */
export const MAX_SHAPE_LENGTH = 4_096;

/** A slot in the heap. */
interface Node {
  readonly slot: StatementSlot;
  /** The slot's weight when the heap was last ordered: no more than today's. */
  weightMs: number;
}

/**
 * The statements that take the most time, by shape, in a fixed number of slots: the space-saving algorithm of
 * Metwally, Agrawal and El Abbadi (2005), weighted by time. A new shape takes the slot with the least time and
 * inherits that time as its possible error; so a shape that took more than the n-th part of all time is
 * always among the n. The slots are a binary heap with the least on top, put in order when a slot is needed: as weights
 * only grow, the order by earlier weights is enough to find the least of today.
 */
export class TopStatements {
  /** What was recorded and is not counted yet: settled before anything is read. */
  readonly backlog: Backlog = new Backlog();
  readonly #slots: number;
  readonly #byShape: Map<string, StatementSlot> = new Map();
  readonly #heap: Node[] = [];

  constructor(options: TopStatementsOptions = {}) {
    checkOptions("TopStatements", options, { slots: integer(1, 100_000) });
    this.#slots = options.slots ?? 200;
  }

  /** Counts a query for its statement. */
  record(query: EndedQuery): void {
    this.slotOf(query.shape, query.operation, query.collection).record(query);
  }

  /** Counts a group of queued writes as one call, without its time in the queue. */
  recordGroup({ shape, operation, collection, code, totalMs, queueMs, rows, cacheHit }: EndedGroup): void {
    const slot = this.slotOf(shape, operation, collection);
    slot.record({ code, totalMs: totalMs - queueMs, rows, cacheHit });
  }

  /** The slot of a shape, which has it until another shape asks for one. */
  slotOf(shape: string, operation: string, collection: string): StatementSlot {
    const key = shape.length > MAX_SHAPE_LENGTH ? shape.slice(0, MAX_SHAPE_LENGTH) : shape;
    const known = this.#byShape.get(key);
    if (known !== undefined) return known;
    const slot = this.#heap.length < this.#slots ? this.#added() : this.#taken();
    slot.give(key, operation, collection);
    this.#byShape.set(key, slot);
    return slot;
  }

  /** The shapes by total time, the most first. */
  list(limit: number = this.#slots): StatementStats[] {
    this.backlog.settle();
    return Array.from(this.#byShape.values(), (slot) => slot.stats())
      .sort((a, b) => b.totalMs - a.totalMs)
      .slice(0, limit);
  }

  /** Forgets all statements. */
  reset(): void {
    this.backlog.settle();
    this.#byShape.clear();
    this.#heap.length = 0;
  }

  #added(): StatementSlot {
    const slot = new StatementSlot();
    // No slot has less weight: it goes to the top.
    const heap = this.#heap;
    let place = heap.length;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[0] = { slot, weightMs: 0 };
    return slot;
  }

  /** The slot with the least time, taken from its shape. */
  #taken(): StatementSlot {
    for (;;) {
      const top = this.#heap[0]!;
      const { slot } = top;
      if (top.weightMs === slot.weightMs) {
        this.#byShape.delete(slot.shape);
        return slot;
      }
      top.weightMs = slot.weightMs;
      this.#sinkTop();
    }
  }

  #sinkTop(): void {
    const heap = this.#heap;
    const top = heap[0]!;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.weightMs < heap[child]!.weightMs) child++;
      if (heap[child]!.weightMs >= top.weightMs) break;
      heap[place] = heap[child]!;
      place = child;
    }
    heap[place] = top;
  }
}
