/** The engines that speak PostgreSQL's protocol, as far as FormDB knows them. */
export type ProfileName = "postgres" | "citus" | "cockroachdb" | "yugabytedb" | "dsql";

/** What an engine behind PostgreSQL's protocol can do and wants done. Nothing else tells them apart. */
export interface EngineProfile {
  readonly name: ProfileName;
  /** Ids for documents without one: ordered by time, or random where ordered keys make a hot spot. */
  readonly idKind: "uuidv7" | "uuidv4";
  /** Rows and bytes that one batch may have at most. */
  readonly maxBatchRows: number;
  readonly maxBatchBytes: number;
  /** Groups that are under way at once where the pool has as many connections: the server works on one while others travel. */
  readonly groupsAtOnce: number;
  /** SQLSTATEs that ask for the whole transaction to be run again, beside PostgreSQL's own. */
  readonly retryCodes: readonly string[];
  /** Groups of so many inserts or more go by `COPY`: where that was measured to be faster. */
  readonly minCopyRows: number;
  /** How rows of a `COPY` are written. Citus reads text faster. */
  readonly copyFormat: "binary" | "text";
  /** The type of a document's column. Where it is `json`, it is read and written through casts. */
  readonly documentType: "jsonb" | "json";
  /** What makes text compare by code point; empty where nothing else exists. */
  readonly collation: string;
  /** Whether a recursive function of one's own can be made. */
  readonly functions: boolean;
  /**
   * Whether a statement may hold subqueries within subqueries over the documents that it changes. Where not, the
   * function merges every patch that `||` does not.
   */
  readonly nestsSubqueries: boolean;
  /** Whether an index can be over expressions, which is what an index over documents is. */
  readonly expressionIndexes: boolean;
  /** Which indexes may be unique: any, or only those over the `id` too, by which documents are spread over nodes. */
  readonly uniqueIndexes: "any" | "with id";
  /** Whether one statement may change two tables, by `WITH`. Where not, a transaction does it. */
  readonly changesInWith: boolean;
  /** Whether statements for groups name each id by a value of its own: so that Citus sends them to the ids' shards alone. */
  readonly namesIds: boolean;
  /** Whether a statement can find rows and lock them, in order, before it changes them. */
  readonly locksInOrder: boolean;
  /** Whether several DDL statements can be one transaction, under an advisory lock. */
  readonly transactionalDdl: boolean;
  /** Whether a new table is handed to `create_distributed_table`. */
  readonly distributes: boolean;
  /** Whether the log's position can be read, for reads from fresh replicas. */
  readonly logPositions: boolean;
  /**
   * Whether `pg_backend_pid()` is the id that the server gave when connecting: where it differs, a pooler is between.
   */
  readonly backendIds: boolean;
  /** Whether reads of one shape may become one statement, by `LATERAL` over their values: where that was run and measured. */
  readonly mergesReads: boolean;
  /** Whether changes of one form are made by one statement: where that was run and measured. */
  readonly groupsChanges: boolean;
  /** Whether a transaction stores a token when it commits: where that was run and measured, and is no second node's business. */
  readonly commitTokens: boolean;
  /**
   * Whether a statement is spelled by the indexes that are there: where that was run and measured. NaN must come after all
   * numbers.
   */
  readonly spellsByIndexes: boolean;
  /** Whether the keys of indexes are spelled by `CASE x WHEN …`, whose meaning Citus changes on the way to its workers. */
  readonly shortCase: boolean;
  /** Settings for each session, in the form of `options`. */
  readonly sessionOptions: string;
  /** Whether the wait for a lock is worth cutting short: where deadlocks are found only after a while, by one node. */
  readonly lockTimeouts: boolean;
  /** From the weakest to the strictest. */
  readonly isolationLevels: readonly ("read committed" | "repeatable read" | "serializable")[];
  /** How long a connection should be used at most. */
  readonly maxLifetimeMs: number;
}

const MINUTE_MS = 60_000;
const MIB = 1_048_576;

const postgres: EngineProfile = Object.freeze<EngineProfile>({
  name: "postgres",
  idKind: "uuidv7",
  maxBatchRows: 5_000,
  maxBatchBytes: 8 * MIB,
  groupsAtOnce: 3,
  retryCodes: [],
  // Fewer cost the server as much by a statement as by a COPY, and the client less.
  minCopyRows: 500,
  copyFormat: "binary",
  documentType: "jsonb",
  collation: 'COLLATE "C"',
  functions: true,
  nestsSubqueries: true,
  expressionIndexes: true,
  uniqueIndexes: "any",
  changesInWith: true,
  namesIds: false,
  locksInOrder: true,
  transactionalDdl: true,
  distributes: false,
  logPositions: true,
  backendIds: true,
  mergesReads: true,
  groupsChanges: true,
  commitTokens: true,
  spellsByIndexes: true,
  shortCase: true,
  // Compiling a statement costs hundreds of milliseconds, for statements that take one.
  sessionOptions: "-c jit=off",
  lockTimeouts: true,
  isolationLevels: ["read committed", "repeatable read", "serializable"],
  maxLifetimeMs: 30 * MINUTE_MS,
});

function like(parts: Partial<EngineProfile> & { readonly name: ProfileName }): EngineProfile {
  return Object.freeze({
    ...postgres,
    mergesReads: false,
    groupsChanges: false,
    commitTokens: false,
    spellsByIndexes: false,
    shortCase: false,
    ...parts,
  });
}

/** Each engine by name. What is not written out is as in PostgreSQL. */
export const PROFILES: Readonly<Record<ProfileName, EngineProfile>> = Object.freeze({
  postgres,

  /** Tables are distributed by id. One statement may not change two tables, nor lock rows of many shards. */
  citus: like({
    name: "citus",
    maxBatchRows: 1_000,
    // Groups of different shards are the work of different nodes.
    groupsAtOnce: 6,
    // A transaction that makes a collection can't see that another one has distributed it meanwhile.
    retryCodes: ["42P16"],
    minCopyRows: 10,
    copyFormat: "text",
    changesInWith: false,
    namesIds: true,
    locksInOrder: false,
    // Citus 13.2 crashes on them.
    nestsSubqueries: false,
    uniqueIndexes: "with id",
    lockTimeouts: false,
    distributes: true,
    logPositions: false,
  }),

  /** Wants short batches outside transactions, random keys, and its retries honoured. */
  cockroachdb: like({
    name: "cockroachdb",
    idKind: "uuidv4",
    maxBatchRows: 1_000,
    maxBatchBytes: 4 * MIB,
    minCopyRows: Infinity,
    collation: "",
    functions: false,
    transactionalDdl: false,
    logPositions: false,
    backendIds: false,
    sessionOptions: "",
    lockTimeouts: false,
    isolationLevels: ["read committed", "serializable"],
    maxLifetimeMs: 10 * MINUTE_MS,
  }),

  /** Range-sharded keys in order make a hot spot; its primary keys are hashed unless asked otherwise. */
  yugabytedb: like({
    name: "yugabytedb",
    maxBatchRows: 1_000,
    maxBatchBytes: 4 * MIB,
    minCopyRows: Infinity,
    transactionalDdl: false,
    logPositions: false,
    sessionOptions: "",
    lockTimeouts: false,
  }),

  /** 3 000 rows and 10 MiB a transaction, sessions of at most an hour, `jsonb` only while a query runs. */
  dsql: like({
    name: "dsql",
    idKind: "uuidv4",
    maxBatchRows: 2_999,
    maxBatchBytes: 4 * MIB,
    retryCodes: ["OC000", "OC001"],
    minCopyRows: Infinity,
    documentType: "json",
    collation: "",
    functions: false,
    expressionIndexes: false,
    locksInOrder: false,
    transactionalDdl: false,
    logPositions: false,
    backendIds: false,
    sessionOptions: "",
    lockTimeouts: false,
    isolationLevels: ["repeatable read"],
    maxLifetimeMs: 45 * MINUTE_MS,
  }),
});

/**
 * The engine, from what `version()` says and the names of the extensions. DSQL says that it is PostgreSQL:
 * it is told by its host's name.
 */
export function detectProfile(version: string, extensions: readonly string[], host: string): ProfileName {
  if (/cockroach/i.test(version)) return "cockroachdb";
  if (/-YB-|yugabyte/i.test(version)) return "yugabytedb";
  if (/\.dsql[.-]/i.test(host)) return "dsql";
  return extensions.includes("citus") ? "citus" : "postgres";
}
