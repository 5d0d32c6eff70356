export type { PooledClient } from "./pg/client.ts";
export { Pool } from "./pg/pool.ts";
export type { ConnectOptions, PgPoolOptions } from "./pg/pool-options.ts";
