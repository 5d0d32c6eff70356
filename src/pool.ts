export { acquire, globalPool, makePool as make, release, stats } from "./functions.ts";
export * from "./pool/pool.ts";
