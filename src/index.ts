export type { BackupOptions, BackupProgress, BackupResult } from "./backend/backend.ts";
export type { CallOptions } from "./base/abort.ts";
export type { Clock, Timer } from "./base/clock.ts";
export { checkCollectionName } from "./base/collection-name.ts";
export type { Document, Row } from "./base/document.ts";
export { type ErrorCode, FormDBError } from "./base/errors.ts";
export type {
  BatchObserver,
  CacheObserver,
  EndedGroup,
  EndedQuery,
  Observer,
  PoolObserver,
  QueryObserver,
} from "./base/observer.ts";
export { BatchProcessor } from "./batch/batch-processor.ts";
export type { BatchError, BatchResult } from "./batch/group.ts";
export { PlanCache } from "./cache/plan-cache.ts";
export type { CheckProblem, CheckResult } from "./engine/check.ts";
export type { Changes } from "./engine/collection/changes.ts";
export type {
  ChangeOptions,
  Collection,
  CollectionOptions,
  Found,
  New,
  Selected,
} from "./engine/collection/collection.ts";
export type { Filter } from "./engine/collection/filter.ts";
export type { Find, FindOptions, Page } from "./engine/collection/find.ts";
export type { Version, Versioned } from "./engine/collection/host.ts";
export type { FilterPathOf, PathOf, ValueAt } from "./engine/collection/paths.ts";
export type { StandardSchema } from "./engine/collection/standard-schema.ts";
export { databaseFiles } from "./engine/database-files.ts";
export type { OpenOptions } from "./engine/engine-options.ts";
export type { Explanation } from "./engine/explain.ts";
export type { CloseOptions, CloseResult, DatabaseStats, FormDB } from "./engine/form-db.ts";
export type { HttpDatabase } from "./engine/http/http-database.ts";
export type { HttpOptions } from "./engine/http/http-options.ts";
export type { ImportOptions, ImportProgress, ImportResult, RejectedDocument } from "./engine/import.ts";
export { open } from "./engine/open.ts";
export type { Transaction } from "./engine/open-transaction.ts";
export type { QueryResult } from "./engine/read.ts";
export type { IndexOptions } from "./engine/schema.ts";
export type { Sql, SqlFragment, SqlOptions } from "./engine/sql.ts";
export type { TransactionOptions } from "./engine/transaction.ts";
export { batchDelete, batchInsert, batchUpdate, flush, globalProcessor } from "./functions/batch.ts";
export { cachePlan, getCachedPlan } from "./functions/cache.ts";
export { queryPlanCache } from "./functions/default-cache.ts";
export { setDefaultDatabase } from "./functions/default-database.ts";
export {
  exportPrometheus,
  recordCacheHit,
  recordCacheMiss,
  recordError,
  recordQuery,
} from "./functions/metrics.ts";
export { acquire, globalPool, release } from "./functions/pool.ts";
export { stats } from "./functions/stats.ts";
export { Metrics } from "./metrics/metrics.ts";
export type { Parameters, Plan } from "./plan/plan.ts";
export { Pool } from "./pool/pool.ts";
