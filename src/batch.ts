export * from "./batch/batch-processor.ts";
export * from "./batch/group.ts";
export {
  batchDelete,
  batchInsert,
  batchUpdate,
  flush,
  globalProcessor,
  makeProcessor as make,
} from "./functions/batch.ts";
export { stats } from "./functions/stats.ts";
