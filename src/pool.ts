export { acquire, globalPool, makePool as make, release } from "./functions/pool.ts";
export { stats } from "./functions/stats.ts";
export * from "./pool/pool.ts";
