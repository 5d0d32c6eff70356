import type { EventEmitter } from "node:events";
import type pg from "pg";
import { Cancelling } from "../backend/postgres/cancel-request.ts";
import type { WireClient } from "../backend/postgres/wire.ts";
import { abortedError } from "../base/abort.ts";
import { systemClock } from "../base/clock.ts";
import { noteDetail } from "../base/errors.ts";
import { StatementLru } from "../cache/statement-lru.ts";
import { sqlShape } from "../dialect/sql-shape.ts";
import { statementName } from "../dialect/statement-name.ts";
import { channels, traced } from "../metrics/tracing-channels.ts";
import { dropsPrepared, type StatementBook } from "./statement-book.ts";

/** A client of the pool: `pg`'s own, given back by `release()` or at the end of an `await using` block. */
export type PooledClient = pg.PoolClient & AsyncDisposable;

type Done = (error: Error | null | undefined, result?: unknown) => void;

/** The parts of `pg.Client` that its published types leave out. Clients that users bring may lack them. */
export interface Client extends EventEmitter {
  readonly connection?: WireConnection & { readonly stream: { destroy(error?: Error): void } };
  readonly host?: string;
  readonly processID?: number | null;
  readonly _queryable?: boolean;
  readonly _ending?: boolean;
  readonly _connecting?: boolean;
  /** False from a query's sending until the server has said that it is done with it. */
  readonly readyForQuery?: boolean;
  readonly _queryQueue?: unknown[];
  /** Whether queries are sent before those ahead of them are answered. */
  readonly pipeline?: boolean;
  /** With `pipeline`: sent behind the active query. */
  readonly _sentQueryQueue?: unknown[];
  _getActiveQuery?(): unknown;
  getTransactionStatus?(): "I" | "T" | "E" | null;
  connect(done: (error?: Error | null) => void): void;
  query(config: unknown, values?: unknown, done?: unknown): unknown;
  end(done?: () => void): unknown;
  release?: (error?: unknown) => void;
  [Symbol.asyncDispose]?: () => Promise<void>;
}

export interface ClientClass {
  new (options: object): Client;
  readonly Query?: QueryClass | undefined;
}

interface WireConnection {
  readonly parsedStatements: Record<string, string | undefined>;
  readonly submittedNamedStatements: Record<string, string | undefined>;
  close(message: { type: "S"; name: string }): void;
  sync(): void;
}

type QueryClass = new (
  text: string | object,
  values?: unknown,
) => { name?: string | undefined; submit(connection: WireConnection): Error | null };

/** A statement's text and values, as far as they decide whether it can be prepared. */
interface QueryConfig {
  readonly text?: unknown;
  readonly values?: unknown;
  readonly name?: unknown;
  readonly types?: unknown;
  readonly rows?: unknown;
  readonly callback?: unknown;
  readonly submit?: unknown;
  readonly signal?: AbortSignal;
}

/** What the server reports of a setting. */
interface ParameterStatus {
  readonly parameterName: string;
  readonly parameterValue: string;
}

/** A query that the caller has made itself, such as a cursor. */
interface Submitted {
  handleError(error: Error, connection: unknown): void;
}

/** A statement that is to be prepared under a name. */
interface NamedConfig extends QueryConfig {
  readonly name: string;
}

/** Milliseconds in which the server must take a cancel request, and the cancelled query end; else its connection is closed. */
const CANCEL_TIMEOUT_MS = 2_000;
/** Wherever the words are: behind a comment, in a DO block. One too many only costs that statements are prepared once more. */
const ALTERS = /\b(?:alter|drop|create\s+(?!(?:local\s+|global\s+)?temp))/i;

/** Decide what a literal or a name in a text means; the server reports each change of them. `search_path` since PostgreSQL 18. */
const READ_BY: ReadonlySet<string> = new Set([
  "DateStyle",
  "IntervalStyle",
  "TimeZone",
  "search_path",
  "standard_conforming_strings",
]);

/** `pg` warns of names beyond 63 characters. */
const SUFFIX_LENGTH = 16;

/** Whether a query that begins now is the pool's own. */
let poolAsks = false;

/** Asks what the pool itself wants to know: no query of the application's, so that subscribers of `formdb:query` are not told. */
export function ask(client: Client, text: string): Promise<{ readonly rows: readonly unknown[] }> {
  poolAsks = true;
  try {
    return client.query(text) as Promise<{ readonly rows: readonly unknown[] }>;
  } finally {
    poolAsks = false;
  }
}

/** The client does nothing and waits for nothing. */
export function isAtRest(client: Client): boolean {
  return !client._getActiveQuery?.() && (client._queryQueue?.length ?? 0) === 0;
}

/**
 * The user's class of clients, or `pg`'s, with three things added to `query`: it prepares statements whose text comes
 * again, takes an `AbortSignal`, and tells `formdb:query`'s subscribers. Whatever else it is called with passes through.
 */
export function pooledClientClass(Base: ClientClass, book: StatementBook | undefined): ClientClass {
  const { Query } = Base;
  const CloseStatements = Query === undefined ? undefined : closeStatementsClass(Query);

  return class PooledClient extends Base {
    #toClose: string[] = [];
    #prepared: StatementLru<true> | undefined;
    /** The settings of `READ_BY` as they are now. */
    readonly #readBy: Map<string, string> = new Map();
    #readByAtFirst = "";
    /** Ends the names of statements that are prepared while these settings are others than at first. */
    #suffix = "";
    /** The book's, when the first of `#prepared` was prepared. */
    #epoch = 0;
    #altered = false;
    #listens = false;
    /** What its connection was lost to. */
    #lostTo: Error | undefined;
    /** What makes a stream to the server, for a cancel request. */
    readonly newStream: (() => unknown) | undefined;

    constructor(options: object) {
      super(options);
      const { stream } = options as { readonly stream?: unknown };
      this.newStream = typeof stream === "function" ? (stream as () => unknown) : undefined;
      // An error that nobody listens to would end the process; users hear of it by their next query.
      this.on("error", (error: Error) => {
        this.#lostTo ??= error;
      });
      if (book === undefined) return;
      (this.connection as unknown as EventEmitter | undefined)?.on("parameterStatus", (reported) =>
        this.#noteSetting(reported),
      );
    }

    /** A statement that was prepared under other settings is another statement. */
    #noteSetting({ parameterName, parameterValue }: ParameterStatus): void {
      if (!READ_BY.has(parameterName)) return;
      this.#readBy.set(parameterName, parameterValue);
      const readBy = JSON.stringify([...this.#readBy]);
      if (this._connecting === true) this.#readByAtFirst = readBy;
      this.#suffix = readBy === this.#readByAtFirst ? "" : statementName(readBy).slice(0, SUFFIX_LENGTH);
    }

    override query(config: unknown, values?: unknown, callback?: unknown): unknown {
      const done = callback || undefined;
      if (this._queryable === false && this.#lostTo !== undefined) {
        return this.#refuse(config, [done, values, (config as QueryConfig)?.callback], this.#lostTo);
      }
      const { signal } = Object(config) as QueryConfig;
      const isTold = channels.query.hasSubscribers && !poolAsks;
      if (signal === undefined && !isTold) return this.#send(config, values, done);
      const last = [done, values, (config as QueryConfig)?.callback].find((one) => typeof one === "function");
      if (typeof (config as QueryConfig)?.submit === "function") return this.#send(config, values, done);
      if (last !== undefined) {
        if (signal === undefined) return this.#send(config, values, done);
        const { callback } = config as QueryConfig;
        const asked = callback === undefined ? config : { ...(config as QueryConfig), callback: undefined };
        this.#abortable(signal, asked, Array.isArray(values) ? values : undefined).then(
          (result) => process.nextTick(last as Done, null, result),
          (error) => process.nextTick(last as Done, error),
        );
        return undefined;
      }
      const send = (): Promise<unknown> => this.#abortable(signal, config, values);
      const text = typeof config === "string" ? config : (config as QueryConfig)?.text;
      return traced(
        channels.query,
        () => ({ operation: "other", collection: "", shape: sqlShape(String(text)), system: "postgres" }),
        send,
      );
    }

    /** What `pg` does with a query for a connection that is lost, but the error says to what. */
    #refuse(config: unknown, callbacks: readonly unknown[], cause: Error): unknown {
      const message = `Client has encountered a connection error and is not queryable: ${cause.message}`;
      const error = new Error(message, { cause });
      const callback = callbacks.find((one) => typeof one === "function") as Done | undefined;
      const { submit } = Object(config) as QueryConfig;
      if (callback !== undefined) process.nextTick(callback, error);
      else if (typeof submit !== "function") return Promise.reject(error);
      else process.nextTick(() => (config as Submitted).handleError(error, this.connection));
      return typeof submit === "function" ? config : undefined;
    }

    async #abortable(signal: AbortSignal | undefined, config: unknown, values: unknown): Promise<unknown> {
      if (signal === undefined) return this.#send(config, values, undefined);
      if (signal.aborted) throw abortedError("A query", signal);
      // The next query on this connection must not be what the server cancels: the request is waited for.
      let cancelling: Cancelling | undefined;
      let query: unknown;
      const onAbort = (): void => {
        const waiting = this._queryQueue?.indexOf(query) ?? -1;
        if (waiting !== -1) {
          // What the server would cancel is another query.
          this._queryQueue!.splice(waiting, 1);
          (query as Submitted).handleError(abortedError("A query", signal), this.connection);
        } else if (this._sentQueryQueue?.includes(query) === true) {
          // The server would cancel another one here too. What it answers to this one is nobody's.
          const error = noteDetail(abortedError("A query", signal), "outcome", "unknown") as Error;
          (query as Submitted).handleError(error, this.connection);
        } else {
          cancelling = new Cancelling(this as unknown as WireClient, systemClock, CANCEL_TIMEOUT_MS);
        }
      };
      signal.addEventListener("abort", onAbort, { once: true });
      try {
        const sent = this.#send(config, values, undefined);
        query = this._queryQueue?.at(-1) ?? this._sentQueryQueue?.at(-1) ?? this._getActiveQuery?.();
        return await sent;
      } catch (error) {
        if (cancelling?.isForced) throw noteDetail(abortedError("A query", signal), "outcome", "unknown");
        throw cancelling !== undefined && (error as { code?: unknown }).code === "57014"
          ? abortedError("A query", signal)
          : error;
      } finally {
        signal.removeEventListener("abort", onAbort);
        await cancelling?.end();
      }
    }

    #send(config: unknown, values: unknown, done: unknown): unknown {
      // What is no function `pg` refuses.
      if (done !== undefined && typeof done !== "function") return super.query(config, values, done);
      if (done !== undefined && typeof values !== "function" && Object(config).name !== undefined) {
        return this.#sendNamed(config as NamedConfig, values, done);
      }
      if (book === undefined || CloseStatements === undefined) return super.query(config, values, done);
      const given = Array.isArray(values) ? values : Object(config).values;
      const asked: unknown = typeof config === "string" ? config : Object(config).text;
      if (typeof asked === "string" && !(given?.length > 0)) this.#look(asked);
      if (typeof config === "string") {
        if (!Array.isArray(values) || values.length === 0) return super.query(config, values, done);
        const name = book.nameOf(config);
        if (name === undefined) return this.#sendUnnamed(config, values, done);
        return this.#sendPrepared({ name: name + this.#suffix, text: config, values }, done);
      }
      const name = isPreparable(config, given) ? book.nameOf(config.text as string) : undefined;
      if (name === undefined) return this.#sendUnnamed(config, values, done);
      // The text of a class's instance may be a getter, as in template libraries: a copy would lack it.
      const { callback, text, ...rest } = config as QueryConfig;
      const called = typeof values === "function" ? values : (done ?? callback) || undefined;
      return this.#sendPrepared({ ...rest, text, name: name + this.#suffix, values: given }, called);
    }

    /** What has values changes no table, but may make one: `CREATE TEMP TABLE … AS SELECT $1`. */
    #sendUnnamed(config: unknown, values: unknown, done: unknown): unknown {
      const text: unknown = typeof config === "string" ? config : Object(config).text;
      if (this.#prepared !== undefined && typeof text === "string" && dropsPrepared(text))
        this.#prepared.clear();
      return super.query(config, values, done);
    }

    /** Forgets what is prepared if a text drops it, or changes tables: for this client's own, or for all of the pool. */
    #look(text: string): void {
      if (dropsPrepared(text)) this.#prepared?.clear();
      if (!ALTERS.test(text)) return;
      book!.epoch++;
      this.#altered = true;
      if (this.#listens) return;
      this.#listens = true;
      // Others may have prepared statements until the change was committed: they are forgotten once more then.
      (this.connection as unknown as EventEmitter).on("readyForQuery", () => {
        if (!this.#altered) return;
        book!.epoch++;
        this.#altered = !isAtRest(this) || this.getTransactionStatus?.() !== "I";
      });
    }

    /** A query that is made from a text spares `pg` its copy of the config, property descriptor by descriptor. */
    #sendNamed(config: NamedConfig, values: unknown, done: unknown): unknown {
      if (Query === undefined || this.connection === undefined || !isPlainlyNamed(config)) {
        return super.query(config, values, done);
      }
      const query = new Query(config.text, values || config.values);
      query.name = config.name;
      super.query(query, undefined, done);
      return undefined;
    }

    #sendPrepared(config: NamedConfig, done: unknown): unknown {
      const { name } = config;
      this.#prepared ??= new StatementLru(book!.maxPrepared, (gone) => this.#toClose.push(gone));
      if (this.#epoch !== book!.epoch) {
        this.#epoch = book!.epoch;
        this.#prepared.clear();
      }
      if (this.#prepared.get(name) === undefined) {
        this.#prepared.set(name, true);
        // The server's word that an earlier one is parsed may have come after that was closed, or come later.
        if (this.pipeline === true) forget(this.connection!, name);
      }
      if (this.#toClose.length > 0) {
        super.query(new CloseStatements!(this.#toClose));
        this.#toClose = [];
      }
      if (done !== undefined) {
        return this.#sendNamed(config, undefined, this.#preparedAgain(config, done as Done));
      }
      return new Promise((resolve, reject) => {
        const settle: Done = (error, result) => (error ? reject(error) : resolve(result));
        this.#sendNamed(config, undefined, this.#preparedAgain(config, settle));
      }).catch((error: unknown) => {
        // As `pg` does: a trace that leads to the caller, not to the socket.
        if (error instanceof Error) Error.captureStackTrace(error);
        throw error;
      });
    }

    /**
     * The server has no such statement any more, or its result would have other columns now. Nothing has happened
     * yet, so outside a transaction the query is sent once more, unnamed, before whatever is queued behind it.
     */
    #preparedAgain(config: NamedConfig, done: Done): Done {
      return (error, result) => {
        if (!error || !isStale(error)) return done(error, result);
        this.#prepared?.delete(config.name);
        if (this.getTransactionStatus?.() !== "I") return done(error);
        const { name: _, ...unnamed } = config;
        super.query(unnamed, undefined, done);
        const queue = this._queryQueue;
        if (queue !== undefined && queue.length > 1) queue.unshift(queue.pop());
        return undefined;
      };
    }
  };
}

/** Whether a config is an object of nothing but a name, a text and values. */
function isPlainlyNamed(config: NamedConfig): config is NamedConfig & { readonly text: string } {
  if (typeof config.name !== "string" || typeof config.text !== "string") return false;
  for (const key in config) if (key !== "name" && key !== "text" && key !== "values") return false;
  return Object.getPrototypeOf(config) === Object.prototype;
}

/** Of the texts in a config only those that `pg` sends with the extended protocol anyway, and under no name. */
function isPreparable(config: unknown, values: unknown): config is QueryConfig {
  if (typeof config !== "object" || config === null || !Array.isArray(values) || values.length === 0) {
    return false;
  }
  const { text, name, rows, submit, types, callback } = config as QueryConfig;
  return (
    typeof text === "string" &&
    name === undefined &&
    rows === undefined &&
    submit === undefined &&
    (!callback || typeof callback === "function") &&
    !Array.isArray(types)
  );
}

function isStale(error: Error): boolean {
  const { code, routine } = error as { code?: unknown; routine?: unknown };
  return code === "26000" || (code === "0A000" && routine === "RevalidateCachedQuery");
}

/** Has `pg` send the text with the next call of the statement. */
function forget({ parsedStatements, submittedNamedStatements }: WireConnection, name: string): void {
  delete parsedStatements[name];
  delete submittedNamedStatements[name];
}

/** Closes prepared statements on the server, in the client's queue like any query: one round trip for all. */
function closeStatementsClass(Query: QueryClass): new (names: readonly string[]) => object {
  return class CloseStatements extends Query {
    readonly #names: readonly string[];

    constructor(names: readonly string[]) {
      super({ text: "" });
      this.#names = names;
      (this as unknown as { callback: () => void }).callback = () => {};
    }

    override submit(connection: WireConnection): null {
      for (const name of this.#names) {
        forget(connection, name);
        connection.close({ type: "S", name });
      }
      connection.sync();
      return null;
    }
  };
}
