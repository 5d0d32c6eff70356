import { disown } from "../base/callback.ts";
import { getOrInsert } from "../base/maps.ts";
import { configError } from "../base/options.ts";
import { type GaugeName, METRIC_DEFINITIONS } from "./definitions.ts";
import type { MetricStore } from "./store.ts";

/** What metrics read of a pool; `Pool.stats()` gives it. */
export interface PoolSource {
  readonly idle: number;
  readonly inUse: number;
  readonly waiting: number;
  /** Connections that are being opened. */
  readonly pending?: number | undefined;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  /** How long the first waiter has waited. */
  readonly oldestWaitMs?: number | undefined;
}

/** What metrics read of a plan cache; `PlanCache.stats()` gives it. */
export interface CacheSource {
  readonly size: number;
  readonly maxSize?: number | undefined;
  readonly bytes?: number | undefined;
  readonly maxBytes?: number | undefined;
  /** From 0 to 1. */
  readonly hitRateAtDoubleSize?: number | undefined;
}

/** What metrics read of a batch processor; `BatchProcessor.stats()` gives it. */
export interface BatchSource {
  readonly queued: number;
  readonly queuedBytes?: number | undefined;
  /** How long the first operation in the queue has waited. */
  readonly oldestMs?: number | undefined;
}

/**
 * The gauges that are read at export from pools, caches and batch queues. Of several with one name,
 * the numbers are added; once the last is detached, its gauges say 0.
 */
export class Sources {
  readonly #store: MetricStore;
  readonly #pools: Map<string, Set<() => PoolSource>> = new Map();
  readonly #caches: Set<() => CacheSource> = new Set();
  readonly #batches: Set<() => BatchSource> = new Set();
  /** Before there is a source, the application may set the compatibility API's `batch_size` itself. */
  #hadBatches = false;

  constructor(store: MetricStore) {
    this.#store = store;
    store.registry.onCollect(() => this.#readPools());
    store.registry.onCollect(() => this.#readCaches());
    store.registry.onCollect(() => this.#readBatches());
  }

  addPool(name: string, read: () => PoolSource): () => void {
    if (!this.#pools.has(name)) zeroPool(this.#store, name);
    return join(
      getOrInsert(this.#pools, name, () => new Set()),
      read,
    );
  }

  addCache(read: () => CacheSource): () => void {
    return join(this.#caches, read);
  }

  addBatch(read: () => BatchSource): () => void {
    this.#hadBatches = true;
    return join(this.#batches, read);
  }

  #readPools(): void {
    // Before there is a source, the application may set the compatibility API's two gauges itself.
    if (this.#pools.size === 0) return;
    const store = this.#store;
    const reading = new Reading();
    let size = 0;
    let active = 0;
    for (const [pool, sources] of this.#pools) {
      const all = reading.of(sources);
      const idle = sum(all, "idle");
      const inUse = sum(all, "inUse");
      const states = store.gauge("pool_connections");
      states.labels({ pool, state: "idle" }).set(idle);
      states.labels({ pool, state: "in_use" }).set(inUse);
      states.labels({ pool, state: "opening" }).set(sum(all, "pending"));
      set(store, "pool_max_connections", pool, sum(all, "max"));
      set(store, "pool_min_connections", pool, sum(all, "min"));
      set(store, "pool_waiting", pool, sum(all, "waiting"));
      set(store, "pool_oldest_waiter_age_seconds", pool, greatest(all, "oldestWaitMs") / 1_000);
      size += idle + inUse;
      active += inUse;
    }
    store.gauge("connection_pool_size").set(size);
    store.gauge("active_connections").set(active);
    reading.end();
  }

  #readCaches(): void {
    const store = this.#store;
    const reading = new Reading();
    const all = reading.of(this.#caches);
    store.gauge("cache_entries").set(sum(all, "size"));
    store.gauge("cache_max_entries").set(sum(all, "maxSize"));
    store.gauge("cache_bytes").set(sum(all, "bytes"));
    const bounded = all.filter(({ maxBytes }) => Number.isFinite(maxBytes));
    store.gauge("cache_max_bytes").set(sum(bounded, "maxBytes"));
    const rated = all.filter(({ hitRateAtDoubleSize }) => hitRateAtDoubleSize !== undefined);
    store.gauge("cache_doubled_hit_ratio").set(sum(rated, "hitRateAtDoubleSize") / Math.max(1, rated.length));
    reading.end();
  }

  #readBatches(): void {
    if (!this.#hadBatches) return;
    const store = this.#store;
    const reading = new Reading();
    const all = reading.of(this.#batches);
    const queued = sum(all, "queued");
    store.gauge("batch_size").set(queued);
    store.gauge("batch_queue_length").set(queued);
    store.gauge("batch_queue_bytes").set(sum(all, "queuedBytes"));
    store.gauge("batch_queue_oldest_age_seconds").set(greatest(all, "oldestMs") / 1_000);
    reading.end();
  }
}

/** Reads sources: one that throws is left out, and its error is thrown once the others were read. */
class Reading {
  #failure: { readonly error: unknown } | undefined;

  of<T>(sources: Iterable<() => T>): T[] {
    const all: T[] = [];
    for (const read of sources) {
      try {
        const source = read();
        if (disown(source))
          throw configError("A source of metrics must give its numbers, not a promise of them");
        all.push(source);
      } catch (error) {
        this.#failure ??= { error };
      }
    }
    return all;
  }

  end(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

/** Begins the series of a pool, so that its first failure is seen as a rise from zero. */
export function zeroPool(store: MetricStore, pool: string): void {
  for (const definition of METRIC_DEFINITIONS) {
    if (definition.labels?.includes("pool") === true) store.define(definition).zero({ pool });
  }
}

function set(store: MetricStore, name: GaugeName, pool: string, value: number): void {
  store.gauge(name).labels({ pool }).set(value);
}

/** What sources say under a name, some of them perhaps nothing. */
type Numbers<Name extends string> = readonly { readonly [name in Name]?: number | undefined }[];

function sum<Name extends string>(all: Numbers<Name>, name: Name): number {
  return all.reduce((total, one) => total + (one[name] ?? 0), 0);
}

function greatest<Name extends string>(all: Numbers<Name>, name: Name): number {
  return Math.max(0, ...all.map((one) => one[name] ?? 0));
}

function join<T>(sources: Set<() => T>, read: () => T): () => void {
  const own = (): T => read();
  sources.add(own);
  return () => {
    sources.delete(own);
  };
}
