import { disown } from "../base/callback.ts";
import { configError } from "../base/options.ts";
import type { CounterName, GaugeName, HistogramName } from "./definitions.ts";
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
    let sources = this.#pools.get(name);
    if (sources === undefined) {
      sources = new Set();
      this.#pools.set(name, sources);
      zeroPool(this.#store, name);
    }
    return join(sources, read);
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
      const idle = sum(all, (one) => one.idle);
      const inUse = sum(all, (one) => one.inUse);
      const states = store.gauge("pool_connections");
      states.labels({ pool, state: "idle" }).set(idle);
      states.labels({ pool, state: "in_use" }).set(inUse);
      states.labels({ pool, state: "opening" }).set(sum(all, (one) => one.pending));
      set(
        store,
        "pool_max_connections",
        pool,
        sum(all, (one) => one.max),
      );
      set(
        store,
        "pool_min_connections",
        pool,
        sum(all, (one) => one.min),
      );
      set(
        store,
        "pool_waiting",
        pool,
        sum(all, (one) => one.waiting),
      );
      const oldest = Math.max(0, ...all.map((one) => one.oldestWaitMs ?? 0));
      set(store, "pool_oldest_waiter_age_seconds", pool, oldest / 1_000);
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
    store.gauge("cache_entries").set(sum(all, (one) => one.size));
    store.gauge("cache_max_entries").set(sum(all, (one) => one.maxSize));
    store.gauge("cache_bytes").set(sum(all, (one) => one.bytes));
    store.gauge("cache_max_bytes").set(sum(all, (one) => finite(one.maxBytes)));
    const ratios = all.flatMap((one) => one.hitRateAtDoubleSize ?? []);
    store
      .gauge("cache_doubled_hit_ratio")
      .set(ratios.length === 0 ? 0 : sum(ratios, (r) => r) / ratios.length);
    reading.end();
  }

  #readBatches(): void {
    if (!this.#hadBatches) return;
    const store = this.#store;
    const reading = new Reading();
    const all = reading.of(this.#batches);
    const queued = sum(all, (one) => one.queued);
    store.gauge("batch_size").set(queued);
    store.gauge("batch_queue_length").set(queued);
    store.gauge("batch_queue_bytes").set(sum(all, (one) => one.queuedBytes));
    store
      .gauge("batch_queue_oldest_age_seconds")
      .set(Math.max(0, ...all.map((one) => one.oldestMs ?? 0)) / 1_000);
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
  for (const name of POOL_GAUGES) store.gauge(name).zero({ pool });
  for (const name of POOL_HISTOGRAMS) store.histogram(name).zero({ pool });
  for (const name of POOL_COUNTERS) store.counter(name).zero({ pool });
}

const POOL_GAUGES: readonly GaugeName[] = [
  "pool_connections",
  "pool_max_connections",
  "pool_min_connections",
  "pool_waiting",
  "pool_oldest_waiter_age_seconds",
  "pool_peak_in_use",
  "pool_peak_waiting",
  "pool_paused",
];
const POOL_HISTOGRAMS: readonly HistogramName[] = [
  "pool_wait_seconds",
  "pool_hold_seconds",
  "pool_connect_seconds",
];
const POOL_COUNTERS: readonly CounterName[] = [
  "pool_acquire_failures_total",
  "pool_connections_opened_total",
  "pool_connections_closed_total",
  "pool_invalidations_total",
];

function set(store: MetricStore, name: GaugeName, pool: string, value: number): void {
  store.gauge(name).labels({ pool }).set(value);
}

function sum<T>(all: readonly T[], pick: (one: T) => number | undefined): number {
  return all.reduce((total, one) => total + (pick(one) ?? 0), 0);
}

function finite(value: number | undefined): number {
  return value !== undefined && Number.isFinite(value) ? value : 0;
}

function join<T>(sources: Set<() => T>, read: () => T): () => void {
  const own = (): T => read();
  sources.add(own);
  return () => {
    sources.delete(own);
  };
}
