export { exportSnapshot, mergeSnapshots } from "./metrics/cluster/aggregate.ts";
export {
  answerSnapshots,
  type CollectorOptions,
  clusterChannel,
  portChannel,
  type SnapshotChannel,
  SnapshotCollector,
} from "./metrics/cluster/collector.ts";
