import { checkOptions, integer } from "../base/options.ts";
import { BucketIndex } from "./bucket-index.ts";
import { percentile } from "./percentile.ts";

export interface TopStatementsOptions {
  /** How many shapes are followed; default 200. */
  readonly slots?: number | undefined;
}

/** What is known of one shape. */
export interface StatementStats {
  readonly shape: string;
  readonly operation: string;
  readonly collection: string;
  readonly calls: number;
  readonly errors: number;
  readonly rows: number;
  readonly cacheHits: number;
  readonly totalMs: number;
  readonly meanMs: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** At most so much time was spent on this shape before it had a slot; 0 where nothing can be missing. */
  readonly missedMs: number;
}

/** Longer shapes are cut, and counted with all that begin alike. */
export const MAX_SHAPE_LENGTH = 4_096;

/** Milliseconds: half-octaves from a microsecond to three minutes. */
const BOUNDS = Array.from({ length: 56 }, (_, i) => 0.001 * 2 ** (i / 2));
const INDEX = new BucketIndex(BOUNDS);
const BUCKETS = BOUNDS.length + 1;

interface Slot {
  shape: string;
  operation: string;
  collection: string;
  calls: number;
  errors: number;
  rows: number;
  cacheHits: number;
  totalMs: number;
  maxMs: number;
  missedMs: number;
  /** The time by which slots are ordered: what the slot has seen, its former owners included. */
  weight: number;
  /** Place in the heap. */
  place: number;
  readonly counts: Uint32Array;
}

/**
 * The statements that take the most time, by shape, in a fixed number of slots: the space-saving algorithm of
 * Metwally, Agrawal and El Abbadi (2005), weighted by time. A new shape takes the slot with the least time and
 * inherits that time as its possible error; so a shape that took more than the n-th part of all time is
 * always among the n. The slots are a binary heap with the least on top.
 */
export class TopStatements {
  readonly #slots: number;
  readonly #byShape: Map<string, Slot> = new Map();
  readonly #heap: Slot[] = [];

  constructor(options: TopStatementsOptions = {}) {
    checkOptions("TopStatements", options, { slots: integer(1, 100_000) });
    this.#slots = options.slots ?? 200;
  }

  record(
    shape: string,
    operation: string,
    collection: string,
    failed: boolean,
    totalMs: number,
    rows: number,
    cacheHit: boolean,
  ): void {
    // What can't be added up is no reason to lose the call.
    const ms = totalMs >= 0 && totalMs < Infinity ? totalMs : 0;
    const key = shape.length > MAX_SHAPE_LENGTH ? shape.slice(0, MAX_SHAPE_LENGTH) : shape;
    const slot = this.#byShape.get(key) ?? this.#take(key, operation, collection);
    slot.calls += 1;
    if (failed) slot.errors += 1;
    slot.rows += rows;
    if (cacheHit) slot.cacheHits += 1;
    slot.totalMs += ms;
    if (ms > slot.maxMs) slot.maxMs = ms;
    slot.counts[INDEX.find(ms)]! += 1;
    slot.weight += ms;
    this.#sink(slot);
  }

  /** The shapes by total time, the most first. */
  list(limit: number = this.#slots): StatementStats[] {
    return [...this.#byShape.values()]
      .toSorted((a, b) => b.totalMs - a.totalMs)
      .slice(0, limit)
      .map((slot) => ({
        shape: slot.shape,
        operation: slot.operation,
        collection: slot.collection,
        calls: slot.calls,
        errors: slot.errors,
        rows: slot.rows,
        cacheHits: slot.cacheHits,
        totalMs: slot.totalMs,
        meanMs: slot.totalMs / slot.calls,
        p99Ms: percentile(0.99, BOUNDS, slot.counts, slot.maxMs),
        maxMs: slot.maxMs,
        missedMs: slot.missedMs,
      }));
  }

  reset(): void {
    this.#byShape.clear();
    this.#heap.length = 0;
  }

  #take(shape: string, operation: string, collection: string): Slot {
    let slot: Slot;
    if (this.#heap.length < this.#slots) {
      slot = { ...emptyFields(), place: this.#heap.length, counts: new Uint32Array(BUCKETS) };
      this.#heap.push(slot);
      this.#rise(slot);
    } else {
      slot = this.#heap[0]!;
      this.#byShape.delete(slot.shape);
      const { weight } = slot;
      Object.assign(slot, emptyFields(), { weight, missedMs: weight });
      slot.counts.fill(0);
    }
    slot.shape = shape;
    slot.operation = operation;
    slot.collection = collection;
    this.#byShape.set(shape, slot);
    return slot;
  }

  #rise(slot: Slot): void {
    while (slot.place > 0) {
      const parent = this.#heap[(slot.place - 1) >> 1]!;
      if (parent.weight <= slot.weight) return;
      this.#swap(slot, parent);
    }
  }

  #sink(slot: Slot): void {
    const heap = this.#heap;
    for (;;) {
      const left = heap[2 * slot.place + 1];
      if (left === undefined) return;
      const right = heap[2 * slot.place + 2];
      const least = right !== undefined && right.weight < left.weight ? right : left;
      if (least.weight >= slot.weight) return;
      this.#swap(slot, least);
    }
  }

  #swap(a: Slot, b: Slot): void {
    const { place } = a;
    a.place = b.place;
    b.place = place;
    this.#heap[a.place] = a;
    this.#heap[b.place] = b;
  }
}

function emptyFields(): Omit<Slot, "place" | "counts"> {
  return {
    shape: "",
    operation: "",
    collection: "",
    calls: 0,
    errors: 0,
    rows: 0,
    cacheHits: 0,
    totalMs: 0,
    maxMs: 0,
    missedMs: 0,
    weight: 0,
  };
}
