import { BATCH_EVENTS, type BatchObserver } from "../base/observer.ts";
import type { BatchStats } from "../batch/batch-processor.ts";

/**
 * What stands between the batch functions and the metrics functions, so that neither loads the other: a program that writes
 * batches loads the metrics with its first event, and events wait here until then.
 */

type Report = (recorder: BatchObserver) => void;

let recorder: BatchObserver | undefined;
let waiting: Report[] = [];
let source: { readonly stats: () => BatchStats; readonly loadRecorder: () => Promise<void> } | undefined;

/** Says whose queue the metrics show, and what loads the module that calls `recordBatches`. */
export function reportBatchesOf(stats: () => BatchStats, loadRecorder: () => Promise<void>): void {
  source = { stats, loadRecorder };
}

/** The statistics of the queue of the batch functions, where they are used. */
export function batchQueue(): BatchStats | undefined {
  return source?.stats();
}

/** Hands the recorder what has waited for it, and from now on each event. */
export function recordBatches(by: BatchObserver): void {
  if (recorder !== undefined) return;
  recorder = by;
  for (const report of waiting) report(by);
  waiting = [];
}

/** What the processors of the batch functions report to. */
export const batchReports: BatchObserver = Object.fromEntries(
  BATCH_EVENTS.map((event) => [
    event,
    (...values: unknown[]) => {
      const report: Report = (to) => (to[event] as (...values: unknown[]) => void)(...values);
      if (recorder !== undefined) return report(recorder);
      // The first event loads what records it.
      if (waiting.push(report) === 1) void source?.loadRecorder();
    },
  ]),
);
