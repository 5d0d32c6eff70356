import pg from "pg";
import { guardObservers, POOL_EVENTS, type PoolObserver } from "../base/observer.ts";
import { checkAreOptions } from "../base/options.ts";
import { poolRecorder } from "../metrics/pool-recorder.ts";
import { channels, traced } from "../metrics/tracing-channels.ts";
import { Pool as ResourcePool } from "../pool/pool.ts";
import type { PoolStats } from "../pool/stats.ts";
import {
  ask,
  type Client,
  type ClientClass,
  isAtRest,
  type PooledClient,
  pooledClientClass,
} from "./client.ts";
import { acquireError, endsAllConnections, endsConnection } from "./failures.ts";
import { Opener } from "./opener.ts";
import {
  type ConnectOptions,
  type PgPoolOptions,
  type PgPoolSettings,
  settingsOf,
  warnOfMisspelled,
} from "./pool-options.ts";
import { StatementBook } from "./statement-book.ts";

type Done = (error: unknown, value?: unknown, release?: unknown) => void;

/** Ends the wait for a client, and the query itself on the server. */
interface Signal {
  readonly signal?: AbortSignal | undefined;
}

// biome-ignore lint/suspicious/noExplicitAny: what `pg`'s own types say of a row
type Row = any;

/** As `pg`'s own types have it: callbacks that are there already say `error: Error`, though it is undefined where there is none. */
type Answer<R extends pg.QueryResultRow> = (error: Error, result: pg.QueryResult<R>) => void;

/** `pg.Pool` without the members that are written anew. */
const BasePool: new (
  options: PgPoolOptions,
) => Omit<
  pg.Pool,
  | "connect"
  | "query"
  | "end"
  | "ending"
  | "ended"
  | "totalCount"
  | "idleCount"
  | "waitingCount"
  | "expiredCount"
> = pg.Pool;

/** What the pool knows of a client beside what its connection is. */
interface Tracked {
  /** Told when the connection is lost. */
  lost: (error: unknown) => void;
  lent: boolean;
  readonly connectedAt: number;
}

const DEFAULT_MAX_PREPARED = 200;
/** How long a client that ends may take to say goodbye. */
const GOODBYE_MS = 5_000;
/** What the pool of resources is told in place of an error 25006, which means nothing inside of a transaction. */
const BECAME_STANDBY = new Error("the server takes no writes any more");
const ENDED = "Cannot use a pool after calling end on the pool";

function ignore(): void {}

/**
 * `pg.Pool` by name, options, methods, events and errors, over FormDB's pool: callers are served in the order they came
 * and in a bounded queue, connections are opened in the background, dead ones are never handed out, and statements that
 * come again are prepared. `docs/pg-pool.md` says what changes.
 */
export class Pool extends BasePool {
  declare readonly Client: typeof pg.Client;
  /** Told of each step in words, as in `pg`. */
  declare readonly log: (...messages: unknown[]) => void;
  ending: boolean = false;
  ended: boolean = false;
  /** Every client from the moment that it begins to connect, as `pg.Pool` keeps them. @internal */
  readonly _clients: Client[] = [];
  readonly #settings: PgPoolSettings;
  readonly #resources: ResourcePool<Client>;
  readonly #tracked: Map<Client, Tracked> = new Map();
  readonly #stopObserving: () => void;

  /** Throws `FORMDB_CONFIG`. The second parameter is the class of clients, as with `pg-pool`. */
  constructor(options: PgPoolOptions = {}, Client?: unknown) {
    checkAreOptions("Pool", options);
    super(options);
    if (Client !== undefined && options.Client === undefined) Object.assign(this, { Client });
    const given = this.options as PgPoolOptions;
    const settings = settingsOf(given);
    warnOfMisspelled(options);
    this.#settings = settings;
    const book =
      given.prepare === false ? undefined : new StatementBook(given.maxPrepared ?? DEFAULT_MAX_PREPARED);
    const opener = new Opener({
      options: given,
      wanted: settings.target,
      connectTimeoutMs: settings.connectTimeoutMs,
      Client: pooledClientClass(this.Client as unknown as ClientClass, book),
      book,
      created: (client) => this._clients.push(client),
      failed: (client) => this.#forget(client),
    });
    this.#resources = new ResourcePool<Client>({
      create: (signal) => this.#open(opener, signal),
      destroy: (client) => this.#remove(client),
      watch: (client, report) => this.#watch(client, report),
      reset: (client) => this.#isReusable(client),
      validate: (client) => ask(client, "SELECT 1"),
      invalidates: (error) => error === BECAME_STANDBY || endsAllConnections(error),
      minConnections: settings.min,
      maxConnections: settings.max,
      maxConnecting: given.maxConnecting,
      maxWaiting: given.maxWaiting,
      acquireTimeoutMs: settings.acquireTimeoutMs,
      connectTimeoutMs: settings.connectTimeoutMs,
      idleTimeoutMs: settings.idleTimeoutMs,
      maxLifetimeMs: settings.maxLifetimeMs,
      maxUses: settings.maxUses,
      allowExitOnIdle: given.allowExitOnIdle,
      // `pg.Pool` tells a caller at once that no connection could be opened.
      connectAttempts: 1,
      connectBackoffMs: 10,
      connectBackoffMaxMs: 200,
      trackHolders: given.trackHolders,
      leakThresholdMs: given.leakThresholdMillis,
      observer: this.#observer(given),
    });
    this.#stopObserving =
      given.metrics?.observePool(settings.poolName, () => this.#resources.stats()) ?? ignore;
  }

  /** Connections that are open or being opened. */
  get totalCount(): number {
    return this._clients.length;
  }

  /** Connections that nobody holds. */
  get idleCount(): number {
    return this.#resources.stats().idle;
  }

  /** Callers beyond those for whom a connection is being opened. */
  get waitingCount(): number {
    const { waiting, pending } = this.#resources.stats();
    return Math.max(0, waiting - pending);
  }

  /** Clients that are out though their lifetime is over. */
  get expiredCount(): number {
    const before = performance.now() - this.#settings.maxLifetimeMs;
    let count = 0;
    for (const { lent, connectedAt } of this.#tracked.values()) if (lent && connectedAt < before) count++;
    return count;
  }

  /** Everything countable, of one moment. */
  stats(): PoolStats {
    return this.#resources.stats();
  }

  /** A client of its own, to be released. `signal` and `timeoutMs` bound the wait. */
  connect(options?: ConnectOptions): Promise<PooledClient>;
  /** With a callback, as in `pg`. */
  connect(
    callback: (
      error: Error | undefined,
      client: PooledClient | undefined,
      release: (error?: unknown) => void,
    ) => void,
  ): void;
  connect(given?: unknown): unknown {
    const done = typeof given === "function" ? (given as Done) : undefined;
    const lent = this.#connect(done === undefined ? (given as ConnectOptions) || undefined : undefined);
    if (done === undefined) return lent;
    lent.then(
      // What the callback throws is its own, not a rejection of ours.
      (client) => process.nextTick(done, undefined, client, client.release),
      (error) => process.nextTick(done, error, undefined, ignore),
    );
    return undefined;
  }

  /** Settles when the cursor or stream has ended: what `pg.Pool` does, though its published types say otherwise. */
  query(query: pg.Submittable): Promise<unknown>;
  /** Runs a query whose rows are arrays. */
  query<R extends unknown[] = unknown[], I extends readonly unknown[] = readonly unknown[]>(
    config: pg.QueryArrayConfig & Signal,
    values?: I,
  ): Promise<pg.QueryArrayResult<R>>;
  /** Runs a query on any client, as in `pg`. */
  query<R extends pg.QueryResultRow = Row, I extends readonly unknown[] = readonly unknown[]>(
    query: string | (pg.QueryConfig & Signal),
    values?: I,
  ): Promise<pg.QueryResult<R>>;
  /** Runs a query on any client, as in `pg`. */
  query<R extends pg.QueryResultRow = Row>(query: string | pg.QueryConfig, callback: Answer<R>): void;
  /** Runs a query on any client, as in `pg`. */
  query<R extends pg.QueryResultRow = Row, I extends readonly unknown[] = readonly unknown[]>(
    text: string,
    values: I,
    callback: Answer<R>,
  ): void;
  query(text?: unknown, values?: unknown, callback?: unknown): unknown {
    return this.#queryOf(text, values, callback);
  }

  /** Lends no more, and resolves when all clients are closed. */
  end(): Promise<void>;
  /** With a callback, as in `pg`. */
  end(callback: (error?: Error) => void): void;
  end(callback?: (error?: Error) => void): unknown {
    const ended = this.#end();
    if (!callback) return ended;
    ended.then(
      () => process.nextTick(callback),
      (error) => process.nextTick(callback, error),
    );
    return undefined;
  }

  /** Ends it, as `await using` does. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.ending) await this.#end();
  }

  async #connect(options: ConnectOptions | undefined): Promise<PooledClient> {
    if (this.ending) throw new Error(ENDED);
    const client = this.#free(options) ?? (await this.#acquire(options));
    return this.#lend(client, true) as unknown as PooledClient;
  }

  /** A client that can be had at once, for a caller without wishes. */
  #free(options: ConnectOptions | undefined): Client | undefined {
    return options === undefined && !channels.poolAcquire.hasSubscribers
      ? this.#resources.tryAcquire()
      : undefined;
  }

  async #acquire(options: ConnectOptions | undefined): Promise<Client> {
    const { poolName } = this.#settings;
    try {
      for (;;) {
        const client = await traced(
          channels.poolAcquire,
          () => ({ pool: poolName }),
          () => this.#resources.acquire(options),
        );
        // The server's last words may stand right behind the answer that made it free, and are read before this goes on.
        if (client._queryable !== false) return client;
        this.#resources.release(client);
      }
    } catch (error) {
      throw acquireError(error);
    }
  }

  /** Makes a client its caller's; with `releasable` the caller has to give it back himself. */
  #lend(client: Client, releasable: boolean): Client {
    this.#tracked.get(client)!.lent = true;
    if (releasable) {
      let released = false;
      const release = (error?: unknown): void => {
        if (released)
          throw new Error("Release called on client which has already been released to the pool.");
        released = true;
        this.#giveBack(client, error);
      };
      client.release = release;
      client[Symbol.asyncDispose] = async () => {
        if (!released) release();
      };
    }
    try {
      this.emit("acquire", client);
    } catch (error) {
      // What a listener throws is its caller's, and costs no connection.
      this.#giveBack(client, undefined);
      throw error;
    }
    return client;
  }

  #giveBack(client: Client, error: unknown, told: unknown = error): void {
    const tracked = this.#tracked.get(client);
    if (tracked !== undefined) tracked.lent = false;
    try {
      this.emit("release", error as Error, client as never);
    } finally {
      this.#resources.release(client, told || undefined);
    }
  }

  #queryOf(text: unknown, values: unknown, callback: unknown): unknown {
    const given = typeof text === "function" ? text : typeof values === "function" ? values : callback;
    const done = (given || undefined) as Done | undefined;
    const answer =
      typeof text === "function"
        ? Promise.reject(
            new Error("Passing a function as the first parameter to pool.query is not supported"),
          )
        : isPortioned(text)
          ? this.#submit(text)
          : this.#query(text, typeof values === "function" ? undefined : values);
    if (done === undefined) return answer;
    answer.then(
      (result) => process.nextTick(done, undefined, result),
      (error) => process.nextTick(done, error),
    );
    return undefined;
  }

  async #query(text: unknown, values: unknown): Promise<unknown> {
    if (this.ending) throw new Error(ENDED);
    const { signal } = Object(text) as { signal?: AbortSignal };
    const options = signal === undefined ? undefined : { signal };
    const client = this.#lend(this.#free(options) ?? (await this.#acquire(options)), false);
    try {
      return await this.#ask(client, text, values);
    } catch (error) {
      // As `pg` does: a trace that leads to the caller, not to the socket.
      if (error instanceof Error) Error.captureStackTrace(error);
      throw error;
    }
  }

  /**
   * Gives the client back as soon as the server has answered, before whoever asked goes on. A callback costs less than
   * the client's promise; a signal and subscribers of `formdb:query` ask for the promise.
   */
  #ask(client: Client, text: unknown, values: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      let over = false;
      const done: Done = (error, result) => {
        // A query that took too long may be answered after all.
        if (over) return;
        over = true;
        if (!error) {
          resolve(result);
          this.#giveBack(client, undefined);
          return;
        }
        reject(error);
        const ending = endsConnection(error) ? error : undefined;
        this.#giveBack(client, ending, this.#becameStandby(error) ? BECAME_STANDBY : ending);
      };
      try {
        const { signal, submit } = Object(text) as { signal?: unknown; submit?: unknown };
        if (typeof submit !== "function" && (signal !== undefined || channels.query.hasSubscribers)) {
          (client.query(text, values) as Promise<unknown>).then((result) => done(undefined, result), done);
        } else {
          client.query(text, values, done);
        }
      } catch (error) {
        done(error);
      }
    });
  }

  /** Whether an error outside of a transaction says that its server takes no writes any more, where one that does is wanted. */
  #becameStandby(error: unknown): boolean {
    const mayWrite = ["any", "read-write", "primary"].includes(this.#settings.target);
    return mayWrite && (error as { code?: unknown }).code === "25006";
  }

  /**
   * A cursor or a stream keeps its client until it has ended, which the client tells it by one of two calls. As with
   * `pg.Pool` that settles a promise. A failure reaches the reader too, so nobody has to look after the promise.
   */
  #submit(query: Portioned): Promise<unknown> {
    const { close } = query;
    let isClosed = false;
    if (close !== undefined) {
      query.close = (...given) => {
        isClosed = true;
        return close.apply(query, given);
      };
    }
    const ended = this.#connect(undefined).then(
      (client) =>
        new Promise((resolve, reject) => {
          if (close !== undefined) query.close = close;
          const { handleReadyForQuery, handleError } = query;
          let over = false;
          const end = (error: Error | undefined): void => {
            if (over) return;
            over = true;
            client.release(endsConnection(error) ? error : undefined);
            if (error === undefined) resolve(query._result);
            else reject(error);
          };
          query.handleReadyForQuery = (...message) => {
            end(undefined);
            handleReadyForQuery.apply(query, message);
          };
          query.handleError = (error, ...rest) => {
            end(error);
            handleError.call(query, error, ...rest);
          };
          try {
            // What was destroyed or closed meanwhile has ended, and would never say so.
            if (query.destroyed === true || isClosed) end(undefined);
            else client.query(query as never);
            // Reads that a cursor was asked for before.
            if (isClosed) handleError.call(query, new Error("the cursor was closed before it was sent"));
          } catch (error) {
            end(error as Error);
          }
        }),
      (error: Error) => {
        query.handleError(error);
        throw error;
      },
    );
    ended.catch(ignore);
    return ended;
  }

  async #end(): Promise<void> {
    if (this.ending) throw new Error("Called end on pool more than once");
    this.log("ending");
    this.ending = true;
    await this.#resources.close({ deadlineMs: this.#settings.endTimeoutMs });
    this.ended = true;
    this.#stopObserving();
  }

  async #open(opener: Opener, signal: AbortSignal): Promise<Client> {
    this.log("connecting new client");
    return opener.open(signal);
  }

  #watch(client: Client, report: (error: unknown) => void): void {
    const tracked: Tracked = { lost: report, lent: false, connectedAt: performance.now() };
    this.#tracked.set(client, tracked);
    client.on("error", (error: Error) => {
      const idle = !tracked.lent && this.#tracked.has(client);
      tracked.lost(error);
      if (!idle) return;
      Object.assign(error, { client });
      // `pg.Pool` lets an error of an idle connection end the process if nobody listens.
      if (this.listenerCount("error") > 0) this.emit("error", error, client);
    });
    client.on("end", () => tracked.lost(undefined));
    if (client._queryable === false) throw new Error("Connection terminated unexpectedly");
    this.log("new client connected");
    this.emit("connect", client);
  }

  /** Whether a client that was given back can serve someone else. */
  #isReusable(client: Client): boolean | Promise<boolean> {
    if (client._queryable === false || client._ending === true) return false;
    // Whoever asked hears of a failure before the server says whether that has left a transaction open.
    if (client.readyForQuery === false && isAtRest(client)) return this.#isReusableOnceReady(client);
    const isResting = isAtRest(client);
    if (!isResting && [client._getActiveQuery?.(), ...(client._queryQueue ?? [])].some(waitsForReads)) {
      this.log("remove client that was released with a cursor that has not ended");
      return false;
    }
    const status = client.getTransactionStatus?.() ?? "I";
    if (status === "I" || !isResting) return true;
    this.log("remove client that was released inside a transaction");
    return false;
  }

  #isReusableOnceReady(client: Client): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (): void => {
        client.off("drain", settle);
        client.off("end", settle);
        resolve(this.#isReusable(client));
      };
      client.on("drain", settle);
      client.on("end", settle);
    });
  }

  #forget(client: Client): void {
    const index = this._clients.indexOf(client);
    if (index !== -1) this._clients.splice(index, 1);
    this.#tracked.delete(client);
  }

  #remove(client: Client): Promise<void> {
    this.#forget(client);
    return new Promise((resolve) => {
      const late = setTimeout(() => client.connection?.stream.destroy(), GOODBYE_MS).unref();
      client.end(() => {
        clearTimeout(late);
        resolve();
        this.emit("remove", client);
      });
    });
  }

  #observer({ metrics, observer }: PgPoolOptions): PoolObserver {
    const { poolName } = this.#settings;
    const logging: PoolObserver = { connectionClosed: (_id, reason) => this.log(REMOVALS[reason]) };
    const recording = metrics === undefined ? undefined : poolRecorder(metrics, poolName);
    return guardObservers<PoolObserver>(POOL_EVENTS, [logging, recording, observer]);
  }
}

/** A query that reads by portions: a cursor or a stream. */
interface Portioned {
  readonly _result?: unknown;
  /** Of a stream. */
  readonly destroyed?: boolean;
  /** Of a cursor, which a stream has. */
  readonly state?: string;
  readonly cursor?: { readonly state?: string };
  /** Of a cursor. */
  close?(...given: unknown[]): unknown;
  handleReadyForQuery(...message: unknown[]): void;
  handleError(error: Error, ...rest: unknown[]): void;
}

/** Only what reads by portions has `read`; a `pg.Query` is answered like a text. */
function isPortioned(query: unknown): query is Portioned {
  const { submit, read } = Object(query) as { submit?: unknown; read?: unknown };
  return typeof submit === "function" && typeof read === "function";
}

/** Whether a client's query is a cursor or a stream that nobody may read to its end, so that no query behind it would be answered. */
function waitsForReads(query: unknown): boolean {
  if (!isPortioned(query) || query.destroyed === true) return false;
  const { state } = query.cursor ?? query;
  return state !== "done" && state !== "error";
}

const REMOVALS: Readonly<Record<string, string>> = {
  idle: "remove idle client",
  lifetime: "remove expired client",
  maxUses: "remove expended client",
  stale: "remove stale client",
  error: "remove broken client",
  poolClosed: "remove client of a pool that ends",
};
