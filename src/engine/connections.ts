import type { Backend, Connection, ConnectionRole, IsolationLevel } from "../backend/backend.ts";
import { type CallOptions, remaining } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import type { EngineStatement } from "../base/engine-statement.ts";
import { FormDBError } from "../base/errors.ts";
import type { PoolObserver } from "../base/observer.ts";
import { configError, withoutUndefined } from "../base/options.ts";
import { channels, traced } from "../metrics/tracing-channels.ts";
import type { Entry } from "../pool/entry.ts";
import { checkPoolOptions, sizeOf } from "../pool/options.ts";
import { Pool, type PoolOptions, type PoolStats } from "../pool/pool.ts";

/** What the backend gives a pool, and what only a pool of its own can use. */
const NOT_TAKEN = [
  "create",
  "destroy",
  "validate",
  "reset",
  "isFatal",
  "invalidates",
  "watch",
  "holds",
  "detectNested",
  "clock",
] as const;

/** What a user may say of the pool: all of its options but those that the backend gives. */
export type ConnectionPoolOptions = Partial<Omit<PoolOptions<Connection>, (typeof NOT_TAKEN)[number]>>;

/** A connection, and the role under which it is to be given back. */
export interface Lent {
  readonly connection: Connection;
  readonly role: ConnectionRole;
}

/**
 * The pools over one backend: one for everything, or one for readers and one for the single writer where
 * the engine has only one. The thin policy between the generic pool and connections.
 */
export class Connections {
  readonly #backend: Backend;
  readonly #clock: Clock;
  readonly read: Pool<Connection>;
  readonly write: Pool<Connection>;
  /** Whether there are readers that answer at once. */
  readonly answersAtOnce: boolean;
  /** Streams that hold a reader while their callers work on a row. */
  #streams = 0;

  constructor(
    backend: Backend,
    options: ConnectionPoolOptions,
    clock: Clock,
    observer: PoolObserver,
    writerObserver: PoolObserver,
  ) {
    for (const name of NOT_TAKEN) {
      if ((options as Partial<PoolOptions<Connection>>)[name] !== undefined) {
        throw configError(`open()'s option pool does not take ${name}: a database has its own`, name);
      }
    }
    // Here, and not by the pools alone: what an engine with one connection does without is wrong all the same.
    checkPoolOptions(options, NOT_TAKEN);
    this.#backend = backend;
    this.#clock = clock;
    this.answersAtOnce = backend.isShort !== undefined;
    this.read = this.#pool("read", options, clock, observer);
    this.write = backend.separateWriter
      ? this.#pool("write", writerOptions(backend, options), clock, writerObserver)
      : this.read;
  }

  /**
   * How many callers would wait for each other for ever, if each holds a connection for writing and asks for one for reading.
   * `Infinity` where reads have a pool of their own.
   */
  get deadlockAt(): number {
    return this.read === this.write ? this.read.size.max : Infinity;
  }

  /** Whether streams hold every connection, those that write included, until their callers have read on. */
  get heldByStreams(): boolean {
    return this.read === this.write && this.#streams >= this.read.size.max;
  }

  /** Whether a connection for reading refuses a statement that writes before it runs. */
  get refusesWrites(): boolean {
    return this.#backend.refusesWrites;
  }

  /** Whether changes of the schema can be part of a transaction. */
  get transactionalDdl(): boolean {
    return this.#backend.transactionalDdl;
  }

  /** Whether a transaction stores a token when it commits. */
  get commitTokens(): boolean {
    return this.#backend.commitTokens === true;
  }

  /** The level under which a transaction behaves as if it ran alone, or what comes closest; undefined where there is one. */
  get strictestIsolation(): IsolationLevel | undefined {
    return this.#backend.strictestIsolation;
  }

  /**
   * Lends a connection to `work` and takes it back however that ends; rather one on which the statement
   * `prefer` is prepared.
   */
  use<T>(
    role: ConnectionRole,
    options: CallOptions,
    work: (connection: Connection) => Promise<T>,
    prefer?: string,
  ): Promise<T> {
    const pool = role === "read" ? this.read : this.write;
    const connection = pool.tryAcquire(prefer);
    if (connection === undefined) {
      const asked = this.#clock.now();
      return this.acquire(role, options).then((acquired) =>
        this.#lendFresh(role, acquired, remaining(options, this.#clock.now() - asked), work),
      );
    }
    return this.#lendFresh(role, connection, options, work);
  }

  /** The same for a reader, if one is idle; undefined if the call would have to wait, or to ask a replica how fresh it is. */
  tryRead<T>(work: (connection: Connection) => Promise<T>): Promise<T> | undefined {
    const connection = this.read.tryAcquire();
    if (connection === undefined) return undefined;
    if (connection.isFresh === undefined) return this.#lend("read", connection, work);
    this.read.release(connection);
    return undefined;
  }

  /**
   * A reader that is idle and answers at once, to be given back before anything else runs; undefined if there is none,
   * and nothing has happened.
   */
  tryImmediate(now: number): Entry<Connection> | undefined {
    return this.answersAtOnce ? this.read.tryLend(now) : undefined;
  }

  /** Whether a reader answers a statement at once, for a call with a signal or a time if it `isBounded`. */
  isShort(statement: EngineStatement, isBounded: boolean): boolean {
    return this.#backend.isShort?.(statement, isBounded) === true;
  }

  /** Waits for a connection, which must be given back by `giveBack`. */
  async acquire(role: ConnectionRole, options: CallOptions): Promise<Connection> {
    const toWrite = role === "write" && this.write !== this.read;
    try {
      return toWrite
        ? await acquire("writer", this.write, options)
        : await acquire("main", this.read, options);
    } catch (error) {
      if (!isPoolTimeout(error)) throw error;
      if (toWrite && this.write.size.max === 1) throw waitedToWrite(error);
      throw toWrite || this.#streams === 0 ? error : waitedForStreams(error, this.#streams);
    }
  }

  /**
   * Waits for a connection to read from for longer than one call: a reader that shows all that this process has written, else
   * one that may write. It must be given back under the role that comes with it.
   */
  async acquireFresh(options: CallOptions): Promise<Lent> {
    const asked = this.#clock.now();
    const left = (): CallOptions => remaining(options, this.#clock.now() - asked);
    const connection = await this.acquire("read", options);
    if (connection.isFresh === undefined || (await this.#isFresh(connection, left())))
      return { connection, role: "read" };
    this.read.release(connection);
    return { connection: await this.acquire("write", left()), role: "write" };
  }

  /** A stream holds a reader from now on, until its caller has read on to its end. */
  streamBegins(): void {
    this.#streams++;
  }

  streamEnds(): void {
    this.#streams--;
  }

  /** Lends a connection; if it is a reader that has not caught up with our writes, one that may write in its place. */
  #lendFresh<T>(
    role: ConnectionRole,
    connection: Connection,
    options: CallOptions,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    if (role === "write" || connection.isFresh === undefined) return this.#lend(role, connection, work);
    const asked = this.#clock.now();
    return this.#isFresh(connection, options).then((isFresh) => {
      if (isFresh) return this.#lend(role, connection, work);
      this.read.release(connection);
      return this.use("write", remaining(options, this.#clock.now() - asked), work);
    });
  }

  async #lend<T>(
    role: ConnectionRole,
    connection: Connection,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    let result: T;
    try {
      result = await work(connection);
    } catch (error) {
      this.giveBack(role, connection, error);
      throw error;
    }
    this.giveBack(role, connection);
    return result;
  }

  /** Whether a replica has caught up with what this process has written; a primary always has. */
  async #isFresh(connection: Connection, options: CallOptions): Promise<boolean> {
    try {
      return (await connection.isFresh?.(options)) ?? true;
    } catch (error) {
      this.giveBack("read", connection, error);
      throw error;
    }
  }

  /** Takes a connection back after an error. One that is of no more use is closed. */
  giveBack(role: ConnectionRole, connection: Connection, error?: unknown): void {
    const [pool, other] = role === "read" ? [this.read, this.write] : [this.write, this.read];
    const invalidates = error !== undefined && this.#backend.invalidatesPool(error);
    // The pool replaces its connections once for all that a failover has cut, and so does the other, which must be told.
    const before = invalidates ? pool.stats().generation : 0;
    if (connection.usable || invalidates) pool.release(connection, error);
    else pool.evict(connection);
    if (invalidates && other !== pool && pool.stats().generation > before) other.invalidate();
  }

  stats(): { read: PoolStats; write: PoolStats | undefined } {
    return { read: this.read.stats(), write: this.write === this.read ? undefined : this.write.stats() };
  }

  async close(deadlineMs: number | undefined): Promise<void> {
    const options = deadlineMs === undefined ? {} : { deadlineMs };
    await this.read.close(options);
    // The writer last: SQLite's last handle that may write empties the log into the file.
    if (this.write !== this.read) await this.write.close(options);
  }

  #pool(
    role: ConnectionRole,
    options: ConnectionPoolOptions,
    clock: Clock,
    observer: PoolObserver,
  ): Pool<Connection> {
    const { minConnections, maxConnections, ...sizing } = this.#backend.sizing(role);
    const usual = { min: minConnections, max: maxConnections };
    // An engine that takes only one is not asked for more.
    const { min, max } = maxConnections === 1 ? usual : sizeOf(options, usual);
    return new Pool<Connection>({
      ...sizing,
      ...withoutUndefined(options),
      minConnections: min,
      maxConnections: max,
      create: (signal) => this.#backend.connect(role, signal),
      destroy: (connection) => connection.close(),
      validate: (connection) => connection.ping(),
      // What is written in a transaction would be said to be stored, and would be undone with it; beside a call that its
      // caller has not waited for there can be no other.
      reset: (connection) =>
        connection.busy !== true && (connection.inTransaction ? connection.rollback() : true),
      isFatal: (error) => this.#backend.isFatal(error),
      invalidates: (error) => this.#backend.invalidatesPool(error),
      // Only where preparing costs a round trip is it worth looking for the connection that has it.
      ...(this.#backend.gathersReads ? { holds: hasPrepared } : {}),
      watch: (connection, report) => {
        connection.onLost = report;
      },
      clock,
      observer,
    });
  }
}

function acquire(name: string, pool: Pool<Connection>, options: CallOptions): Promise<Connection> {
  return traced(
    channels.poolAcquire,
    () => ({ pool: name }),
    () => pool.acquire(options),
  );
}

/** Whether a call failed because no connection was free in its time. */
export function isPoolTimeout(error: unknown): error is FormDBError {
  return error instanceof FormDBError && error.code === "FORMDB_POOL_TIMEOUT";
}

function waitedToWrite({ message, ...details }: FormDBError): FormDBError {
  return new FormDBError(
    "FORMDB_POOL_TIMEOUT",
    `The one connection that writes is in use, which a transaction holds until its end. ${message}`,
    { cause: details.cause, retryable: details.retryable, details },
  );
}

/** Whether the caller is in the loop of such a stream, and waits for itself, can't be known. */
function waitedForStreams({ message, ...details }: FormDBError, streams: number): FormDBError {
  const held = streams === 1 ? "A stream holds a connection" : `${streams} streams hold a connection each`;
  return new FormDBError(
    "FORMDB_POOL_TIMEOUT",
    `${held} until its loop ends, and a call in the loop needs another one: allow more (pool.maxConnections), or ` +
      `read the rows first, by query(). ${message}`,
    { cause: details.cause, retryable: details.retryable, details: { ...details, streams } },
  );
}

/** The one writer of an engine is always one, but who waits for it and who holds it is told as the user says. */
function writerOptions(backend: Backend, options: ConnectionPoolOptions): ConnectionPoolOptions {
  if (backend.sizing("write").maxConnections > 1) return options;
  const { acquireTimeoutMs, trackHolders, leakThresholdMs, onLeak } = options;
  return { acquireTimeoutMs, trackHolders, leakThresholdMs, onLeak };
}

function hasPrepared(connection: Connection, name: string): boolean {
  return connection.hasPrepared?.(name) ?? false;
}
