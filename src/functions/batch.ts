import { BATCH_EVENTS, type BatchObserver, guardObservers } from "../base/observer.ts";
import { checkAreOptions, withoutUndefined } from "../base/options.ts";
import type { BatchOptions } from "../batch/batch-options.ts";
import { BatchProcessor } from "../batch/batch-processor.ts";
import type { BatchResult } from "../batch/group.ts";
import { batchReports, reportBatchesOf } from "./batch-reports.ts";
import { defaultEngine } from "./default-database.ts";

/** The processor that the batch functions add to. It writes to the default database, and reports to its metrics. */
export const globalProcessor: BatchProcessor = makeProcessor();

reportBatchesOf(
  () => globalProcessor.stats(),
  async () => {
    const { sharedMetrics } = await import("./shared-metrics.ts");
    sharedMetrics();
  },
);

/** Adds documents to be inserted. `flush(globalProcessor)` tells how they fared. */
export function batchInsert(collection: string, documents: readonly unknown[]): void {
  globalProcessor.insert(collection, documents);
}

/** Adds merge patches (RFC 7396) to be applied. */
export function batchUpdate(
  collection: string,
  updates: readonly { readonly id: string | number; readonly document: unknown }[],
): void {
  globalProcessor.update(collection, updates);
}

/** Adds ids of documents to be deleted. */
export function batchDelete(collection: string, ids: readonly (string | number)[]): void {
  globalProcessor.delete(collection, ids);
}

/** Sends what a processor holds. The result is that of everything added since its last flush. */
export function flush(processor: BatchProcessor): Promise<BatchResult> {
  return processor.flush();
}

/** A processor that writes to the default database, and reports to its metrics. */
export function makeProcessor(options: BatchOptions = {}): BatchProcessor {
  checkAreOptions("BatchProcessor", options);
  return new BatchProcessor(async (group) => (await defaultEngine()).writer.execute(group), {
    lookUpToken: async (token, group) => (await defaultEngine()).writer.lookUpToken(token, group),
    ...withoutUndefined(options),
    observer: guardObservers<BatchObserver>(BATCH_EVENTS, [batchReports, options.observer]),
  });
}
