import { getOrInsert } from "../base/maps.ts";
import { BATCH_EVENTS, type BatchObserver } from "../base/observer.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { batchRecorder } from "../metrics/recorder.ts";
import { batchQueue, recordBatches } from "./batch-reports.ts";
import { currentDatabase } from "./default-database.ts";
import { defaultMetrics } from "./default-metrics.ts";

/** The metrics of the database that the functions work on. */
export function sharedMetrics(): Metrics {
  recordBatches(toSharedMetrics);
  return currentDatabase()?.metrics ?? defaultMetrics;
}

/** Which metrics the default database has may change: who records is looked up with each event. */
const toSharedMetrics: BatchObserver = Object.fromEntries(
  BATCH_EVENTS.map((event) => [
    event,
    (...values: unknown[]) =>
      (batchRecorderFor(sharedMetrics())[event] as (...values: unknown[]) => void)(...values),
  ]),
);

const batchRecorders = new WeakMap<Metrics, Required<BatchObserver>>();

function batchRecorderFor(metrics: Metrics): Required<BatchObserver> {
  return getOrInsert(batchRecorders, metrics, () => {
    metrics.observeBatch(() => (sharedMetrics() === metrics && batchQueue()) || NOTHING_QUEUED);
    return batchRecorder(metrics);
  });
}

const NOTHING_QUEUED = Object.freeze({ queued: 0, queuedBytes: 0, oldestMs: 0 });
