import type { Connection } from "../backend/backend.ts";
import { FormDBError } from "../base/errors.ts";
import { checkAreOptions, withoutUndefined } from "../base/options.ts";
import { type AcquireOptions, Pool, type PoolOptions, type PoolStats } from "../pool/pool.ts";
import { currentDatabase, defaultDatabase, defaultEngine } from "./default-database.ts";

/** A pool as far as the functions need one. */
export interface AcquirablePool<T> {
  acquire(options?: AcquireOptions): Promise<T>;
  release(resource: T, error?: unknown): void;
  stats(): PoolStats;
}

/** The default database's pool. The database opens when a connection is first acquired. */
export const globalPool: AcquirablePool<Connection> = Object.freeze({
  acquire: async (options?: AcquireOptions): Promise<Connection> =>
    (await defaultDatabase()).pool.acquire(options),
  release: (connection: Connection, error?: unknown): void => {
    const pool = currentDatabase()?.pool;
    if (pool === undefined) {
      throw new FormDBError(
        "FORMDB_CONFIG",
        "A connection can't be released to the default pool: no database is open, so it lent none",
      );
    }
    pool.release(connection, error);
  },
  stats: (): PoolStats => (currentDatabase()?.pool ?? unopened()).stats(),
});

/** A pool that has lent nothing and never will: what there is to say before the default database opens. */
function unopened(): Pool<Connection> {
  return new Pool<Connection>({ create: neverOpens, minConnections: 0, startPaused: true });
}

function neverOpens(): Promise<Connection> {
  return Promise.reject(new FormDBError("FORMDB_CLOSED", "The default database is not open"));
}

/** Takes a connection from a pool. */
export function acquire<T>(pool: AcquirablePool<T>, options?: AcquireOptions): Promise<T> {
  return pool.acquire(options);
}

/** Gives a connection back to its pool; with an error that is fatal to it, it is closed. */
export function release<T>(pool: AcquirablePool<T>, connection: T, error?: unknown): void {
  pool.release(connection, error);
}

/** A pool of whatever `create` makes; without `create`, of connections to the default database. */
export function makePool<T>(options: PoolOptions<T>): Pool<T>;
/** Of connections to the default database. */
export function makePool(options?: Partial<PoolOptions<Connection>>): Pool<Connection>;
export function makePool(options: Partial<PoolOptions<Connection>> = {}): Pool<Connection> {
  checkAreOptions("Pool", options);
  if (options.create !== undefined) return new Pool(options as PoolOptions<Connection>);
  return new Pool<Connection>({
    create: async (signal) => (await defaultEngine()).backend.connect("read", signal),
    destroy: (connection) => connection.close(),
    validate: (connection) => connection.ping(),
    reset: (connection) =>
      connection.busy !== true && (connection.inTransaction ? connection.rollback() : true),
    isFatal: (error) => error instanceof FormDBError && LOST.has(error.code),
    watch: (connection, report) => {
      connection.onLost = report;
    },
    ...withoutUndefined(options),
  });
}

/** After these errors a connection can't be used any more. */
const LOST: ReadonlySet<string> = new Set(["FORMDB_CONNECTION_LOST", "FORMDB_ABORTED", "FORMDB_TIMEOUT"]);
