import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { FormDB } from "@formdb/perf";
import { eventOf, Interval, type Reading } from "./interval.ts";
import type { LiveEvent } from "./live-event.ts";

/** How often the event loop's delay is measured; the monitor's values have this much in them when nothing is late. */
const RESOLUTION_MS = 10;
const NANOSECONDS_A_MS = 1e6;

/** Makes an event of what a database of this process did since the one before. Must be closed. */
export class LiveSampler implements Disposable {
  readonly #db: FormDB;
  readonly #delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #before: Reading;
  #loopBefore = performance.eventLoopUtilization();

  constructor(db: FormDB) {
    this.#db = db;
    this.#delays.enable();
    this.#before = this.#read();
  }

  sample(): LiveEvent {
    const now = this.#read();
    const event = eventOf(new Interval(this.#before, now));
    const loopNow = performance.eventLoopUtilization();
    const { batch, profile } = this.#db.stats();
    const memory = process.memoryUsage();
    const sampled: LiveEvent = {
      ...event,
      uptimeMs: performance.now(),
      profile,
      pools: event.pools.map((pool) =>
        pool.name === "main" ? { ...pool, holders: this.#db.pool.holders() } : pool,
      ),
      batch: { ...event.batch, held: batch.held, waiting: batch.waiting },
      // The metrics' own are of ten seconds and more.
      eventLoop: {
        meanMs: delay(this.#delays.mean),
        p99Ms: delay(this.#delays.percentile(99)),
        maxMs: delay(this.#delays.max),
        utilization: performance.eventLoopUtilization(loopNow, this.#loopBefore).utilization,
      },
      memory: { heapUsedBytes: memory.heapUsed, rssBytes: memory.rss },
    };
    this.#before = now;
    this.#loopBefore = loopNow;
    this.#delays.reset();
    return sampled;
  }

  [Symbol.dispose](): void {
    this.#delays.disable();
  }

  #read(): Reading {
    const { metrics } = this.#db;
    const cut = metrics.prefix.length + 1;
    const { families } = metrics.snapshot();
    return {
      atMs: performance.now(),
      families: new Map(families.map((family) => [family.name.slice(cut), family])),
    };
  }
}

function delay(nanoseconds: number): number {
  return Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / NANOSECONDS_A_MS - RESOLUTION_MS) : 0;
}
