import type { Backend } from "../backend/backend.ts";
import type { BatchProcessor } from "../batch/batch-processor.ts";
import type { PlanCache } from "../cache/plan-cache.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { TopStatements } from "../metrics/top-statements.ts";
import type { Plan } from "../plan/plan.ts";
import type { CallsUnderWay } from "./calls-under-way.ts";
import type { Catalog } from "./catalog.ts";
import type { Checker } from "./check.ts";
import type { Connections } from "./connections.ts";
import type { Explainer } from "./explain.ts";
import type { DocumentReads } from "./get.ts";
import type { Reader } from "./read.ts";
import type { ReadsAtOnce } from "./reads-at-once.ts";
import type { Reporter } from "./reporter.ts";
import type { SqlRunner } from "./run-sql.ts";
import type { Schema } from "./schema.ts";
import type { Transactions } from "./transaction.ts";
import type { Writer } from "./write.ts";

/** The parts that `open()` has put together. */
export interface Engine {
  readonly backend: Backend;
  readonly cache: PlanCache<Plan>;
  readonly catalog: Catalog;
  readonly connections: Connections;
  readonly batch: BatchProcessor;
  /** Whether there is a journal of what is queued. Changes by path are not written into it, and so not queued then. */
  readonly spills: boolean;
  readonly metrics: Metrics;
  readonly statements: TopStatements;
  readonly reader: Reader;
  readonly writer: Writer;
  /** An id for a document without one. */
  readonly makeId: () => string;
  readonly sql: SqlRunner;
  readonly reads: DocumentReads;
  readonly readsAtOnce: ReadsAtOnce;
  readonly schema: Schema;
  readonly explainer: Explainer;
  readonly checker: Checker;
  readonly transactions: Transactions;
  readonly calls: CallsUnderWay;
  readonly reporter: Reporter;
  /** Ends what works in the background, lets the journal go, and detaches this database from its metrics. */
  readonly release: () => void;
}
