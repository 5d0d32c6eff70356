import { Metrics } from "../metrics/metrics.ts";

/** The metrics that the default database reports to when it is opened from `FORMDB_URL`. */
export const defaultMetrics: Metrics = new Metrics();
