export * from "./batch/batch-processor.ts";
export * from "./batch/group.ts";
export {
  batchDelete,
  batchInsert,
  batchUpdate,
  flush,
  globalProcessor,
  makeProcessor as make,
  stats,
} from "./functions.ts";
