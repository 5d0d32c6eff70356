import type Database from "better-sqlite3";
import { JOURNALLED_TOKEN_LIFE_MS } from "../../base/journal.ts";
import { type IndexPath, indexPathText } from "../../base/subject.ts";
import { StatementLru } from "../../cache/statement-lru.ts";
import { sqliteDdl } from "../../dialect/sqlite/ddl.ts";
import * as rows from "../../dialect/sqlite/rows.ts";
import type { BackupProgress, FormedChanges, GroupWrite, StoredDocument } from "../backend.ts";
import type { RefusingIndex } from "../unique-violation.ts";
import { copyPages } from "./copy-pages.ts";
import { openDatabase } from "./database.ts";
import type { DatabaseSettings } from "./database-settings.ts";
import { failureOf, NEEDS_WRITER, refusal, type SqliteFailure, WRONG_TRANSACTION_STATE } from "./errors.ts";
import { type FileIdentity, mustBeInPlace, OpenFiles } from "./file-identity.ts";
import { RawStatements } from "./raw-statements.ts";
import { RowStream } from "./row-stream.ts";
import type {
  ExecuteRequest,
  ExecuteResult,
  SessionChangeResult,
  SessionWriteResult,
  StreamChunk,
} from "./session-protocol.ts";

/** Statements that one handle keeps prepared. */
export const MAX_PREPARED_STATEMENTS = 256;
/** Rows that one answer holds; the rest of a longer result is a stream, so that no message stalls the event loop. */
export const MAX_ROWS_AN_ANSWER = 2_000;

/**
 * One handle on a SQLite database and the statements it keeps prepared. Everything is synchronous: it runs
 * on the caller's thread for short reads and on a worker's for the rest. Values are given as arguments, since the driver takes
 * longer to read an array's elements.
 */
export class SqliteSession {
  readonly #database: Database.Database;
  readonly #readOnly: boolean;
  /** Undefined in memory. */
  readonly #files: OpenFiles | undefined;
  readonly #streams = new Map<number, RowStream>();
  #lastStream = 0;
  /** By their text. Those that give rows give them as arrays. */
  readonly #statements = new StatementLru<Database.Statement>(MAX_PREPARED_STATEMENTS);
  /** Reads of one document, by collection: the shortest way of all, so not even a text is made. */
  readonly #gets = new StatementLru<Database.Statement>(MAX_PREPARED_STATEMENTS);
  /** The same for its JSON text alone. */
  readonly #texts = new StatementLru<Database.Statement>(MAX_PREPARED_STATEMENTS);
  readonly #raw: RawStatements;

  constructor(settings: DatabaseSettings) {
    this.#database = openDatabase(settings);
    this.#raw = new RawStatements(this.#database, MAX_PREPARED_STATEMENTS);
    this.#readOnly = settings.readOnly;
    if (this.#database.memory) return;
    try {
      this.#files = new OpenFiles(settings.file);
      if (settings.identity !== undefined) mustBeInPlace(settings.file, settings.identity);
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  get isOpen(): boolean {
    return this.#database.open;
  }

  /** Runs statements that make FormDB's own tables. The result says which file is open. */
  bootstrap(texts: readonly string[]): FileIdentity | undefined {
    for (const text of texts) this.#database.exec(text);
    return this.#files?.identity;
  }

  execute(request: ExecuteRequest): ExecuteResult {
    const { text, values, returnsRows, keep, inTransaction } = request;
    this.#mustBe(inTransaction);
    if (request.raw) return this.#executeRaw(request);
    // An EXPLAIN is prepared against the schema as this handle last saw it; running anything makes it look.
    if (!keep) this.#prepare("SELECT 1 FROM sqlite_master LIMIT 1", true).get();
    let statement: Database.Statement;
    try {
      statement = this.#prepare(text, keep);
    } catch (error) {
      // A file that FormDB never wrote to has no table of indexes, and so no indexes.
      if (this.#readOnly && isOwnTableMissing(error)) return { rows: [], rowCount: 0, rest: undefined };
      throw error;
    }
    if (!statement.readonly) this.#beforeChange();
    if (!returnsRows || !statement.reader) {
      const { changes } = statement.run(...values);
      if (!inTransaction && !statement.readonly) this.#mustHaveCommitted();
      return { rows: [], rowCount: changes, rest: undefined };
    }
    const rows = statement.all(...values) as unknown[][];
    if (!inTransaction && !statement.readonly) this.#mustHaveCommitted();
    return this.#inParts({ rows, rowCount: rows.length });
  }

  /** Runs a user's own SQL. What writes is refused before it does anything, if it was asked for as a read. */
  #executeRaw({ text, values, returnsRows: reads, inTransaction }: ExecuteRequest): ExecuteResult {
    const statement = this.#raw.prepare(text);
    const { readonly } = statement;
    if (!readonly) {
      if (this.#readOnly || reads) {
        throw refusal(NEEDS_WRITER, "the statement writes, and this call or connection is for reading only");
      }
      this.#beforeChange();
    }
    const result = this.#raw.run(statement, values);
    if (!inTransaction && !readonly) this.#mustHaveCommitted();
    return this.#inParts(result);
  }

  /** A result whose rows, beyond as many as one answer holds, are a stream. */
  #inParts(result: Omit<ExecuteResult, "rest">): ExecuteResult {
    const { rows } = result;
    const rest =
      rows.length <= MAX_ROWS_AN_ANSWER
        ? undefined
        : this.#addStream(rows.splice(MAX_ROWS_AN_ANSWER).values());
    return { ...result, rest };
  }

  /** All rows of a statement that reads and is kept prepared. The caller knows that there is no transaction. */
  read(text: string, values: readonly unknown[]): { readonly rows: unknown[][]; readonly rowCount: number } {
    const rows = this.#prepare(text, true).all(...values) as unknown[][];
    return { rows, rowCount: rows.length };
  }

  /** Opens a stream of a statement's rows and returns its number. It sees the database as it is now. */
  openStream(text: string, values: readonly unknown[]): number {
    // A statement of its own: one in use by an iteration must not be closed or run by anybody else.
    const statement = this.#database.prepare(text).raw(true);
    return this.#addStream(statement.iterate(values as unknown[]) as IterableIterator<unknown[]>);
  }

  readStream(stream: number): StreamChunk {
    const chunk = this.#streams.get(stream)?.next() ?? { rows: [], done: true };
    if (chunk.done) this.#streams.delete(stream);
    return chunk;
  }

  closeStream(stream: number): undefined {
    this.#streams.get(stream)?.close();
    this.#streams.delete(stream);
  }

  /** Applies a group in a transaction of its own or, `inTransaction`, as a part of the one that is open. */
  write(group: GroupWrite, inTransaction: boolean): SessionWriteResult {
    this.#mustBe(inTransaction);
    if (inTransaction) return this.#writeRows(group);
    this.begin();
    try {
      const result = this.#writeRows(group);
      if (group.token !== undefined) {
        const outcome = JSON.stringify(result);
        this.#prepare(rows.STORE_TOKEN, true).run(group.token, outcome, Date.now());
      }
      this.commit();
      return result;
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  get(collection: string, id: string): StoredDocument | undefined {
    let statement = this.#gets.get(collection);
    if (statement === undefined) {
      statement = this.#database.prepare(rows.getRow(collection)).raw(true);
      this.#gets.set(collection, statement);
    }
    const row = statement.get(id) as [string, number, number] | undefined;
    return row === undefined ? undefined : { id, json: row[0], updatedAt: row[1], version: row[2] };
  }

  /** The JSON text of one document. The caller knows that there is no transaction. */
  getText(collection: string, id: string): string | undefined {
    let statement = this.#texts.get(collection);
    if (statement === undefined) {
      statement = this.#database.prepare(rows.getText(collection)).pluck(true);
      this.#texts.set(collection, statement);
    }
    return statement.get(id) as string | undefined;
  }

  getMany(collection: string, ids: readonly string[]): StoredDocument[] {
    if (ids.length === 1) {
      const found = this.get(collection, ids[0]!);
      return found === undefined ? [] : [found];
    }
    const found = this.#prepare(rows.getManyRows(collection), true).all(JSON.stringify(ids)) as [
      string,
      string,
      number,
      number,
    ][];
    return found.map(([id, json, updatedAt, version]) => ({ id, json, updatedAt, version }));
  }

  lookUpToken(token: string): SessionWriteResult | undefined {
    const row = this.#prepare(rows.LOOK_UP_TOKEN, true).get(token) as [string] | undefined;
    return row === undefined ? undefined : (JSON.parse(row[0]) as SessionWriteResult);
  }

  /** Forgets tokens from before a time, in milliseconds since 1970; those of journals live for longer. */
  pruneTokens(before: number): undefined {
    this.#beforeChange();
    const journalled = Math.min(before, Date.now() - JOURNALLED_TOKEN_LIFE_MS);
    this.#prepare(rows.PRUNE_TOKENS, true).run(before, journalled);
  }

  /** Begins a transaction that may write: it has the write lock from here on. */
  begin(): undefined {
    this.#mustBe(false);
    this.#beforeChange();
    this.#prepare("BEGIN IMMEDIATE", true).run();
  }

  commit(): undefined {
    this.#mustBe(true);
    this.#mustBeInPlace();
    this.#prepare("COMMIT", true).run();
    this.#mustHaveCommitted();
  }

  /** Does nothing if SQLite has already rolled back by itself. */
  rollback(): undefined {
    if (this.#database.inTransaction) this.#prepare("ROLLBACK", true).run();
  }

  /** Copies the database to an empty file, in steps between which the event loop turns. Nobody may write meanwhile. */
  backup(file: string, onStep: (progress: BackupProgress) => void): Promise<void> {
    this.#beforeChange();
    return copyPages(this.#database, file, onStep);
  }

  close(): undefined {
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
    this.#statements.clear();
    this.#gets.clear();
    this.#texts.clear();
    this.#raw.clear();
    try {
      if (!this.#readOnly && this.#files?.isLogGone === true) this.#saveLog();
    } finally {
      this.#database.close();
    }
  }

  /** What is sent to the caller of a request that failed. A unique index is named as its user named it. */
  failureOf(error: unknown): SqliteFailure {
    const failure = failureOf(error);
    const index = sqliteDdl.parseIndexName(
      /^UNIQUE constraint failed: index '(.*)'$/.exec(failure.message)?.[1] ?? "",
    );
    return index === undefined ? failure : { ...failure, index: { ...index, paths: this.#pathsOf(index) } };
  }

  #pathsOf({ collection, name }: Omit<RefusingIndex, "paths">): string[] {
    const row = this.#prepare(sqliteDdl.pathsOfIndex, true).get(collection, name) as [string] | undefined;
    const paths = row === undefined ? [] : (JSON.parse(row[0]) as IndexPath[]);
    return paths.map(indexPathText);
  }

  #addStream(rows: Iterator<unknown[]>): number {
    this.#lastStream++;
    this.#streams.set(this.#lastStream, new RowStream(rows));
    return this.#lastStream;
  }

  /** better-sqlite3 changes and copies nothing while a statement is being iterated, and a stream must not see later changes. */
  #beforeChange(): void {
    for (const stream of this.#streams.values()) stream.detach();
  }

  #mustBeInPlace(): void {
    this.#files?.mustBeInPlace();
  }

  /** Copies a log that only those who have it open can read any more into the file, as far as readers allow it. */
  #saveLog(): void {
    this.rollback();
    this.#database.pragma("wal_checkpoint(FULL)");
  }

  /** A commit is acknowledged only if it went to the file that is at its path. */
  #mustHaveCommitted(): void {
    try {
      this.#mustBeInPlace();
    } catch (error) {
      throw Object.assign(error as Error, { outcome: "unknown" });
    }
  }

  /**
   * A write that joined a transaction of somebody else would be undone with it, and one that commits by itself
   * within what its caller takes for a transaction would outlive its rollback.
   */
  #mustBe(inTransaction: boolean): void {
    if (this.#database.inTransaction === inTransaction) return;
    throw refusal(
      WRONG_TRANSACTION_STATE,
      inTransaction
        ? "its transaction must be open, but SQLite has ended it"
        : "no transaction must be open, but an earlier one still is",
    );
  }

  #prepare(text: string, keep: boolean): Database.Statement {
    const kept = this.#statements.get(text);
    if (kept !== undefined) return kept;
    const statement = this.#database.prepare(text);
    if (statement.reader) statement.raw(true);
    if (keep) this.#statements.set(text, statement);
    return statement;
  }

  #writeRows(group: GroupWrite): SessionWriteResult {
    const { kind, collection, ids, changes } = group;
    if (changes !== undefined) {
      return { missing: [], rejected: [], changes: this.#makeChanges(collection, ids, changes) };
    }
    const result: SessionWriteResult = { missing: [], rejected: [] };
    const now = Date.now();
    let next = 0;
    if (ids.length >= rows.ROWS_AT_ONCE && (kind === "insert" || kind === "upsert")) {
      const text = kind === "insert" ? rows.insertRows(collection) : rows.upsertRows(collection);
      const statement = this.#prepare(text, true);
      for (; next + rows.ROWS_AT_ONCE <= ids.length; next += rows.ROWS_AT_ONCE) {
        if (!tryRows(statement, group, next, now))
          this.#writeOneByOne(group, next, next + rows.ROWS_AT_ONCE, now, result);
      }
    }
    this.#writeOneByOne(group, next, ids.length, now, result);
    return result;
  }

  /** Changes one after the other. One that finds its document as it can't be changed is told what it found. */
  #makeChanges(
    collection: string,
    ids: readonly string[],
    { statement, values }: FormedChanges,
  ): SessionChangeResult[] {
    const prepared = this.#prepare(statement.text, true);
    return ids.map((id, i) => {
      try {
        const version = (prepared.get(values[i] as unknown[]) as [number] | undefined)?.[0];
        if (version !== undefined) return { version };
      } catch (error) {
        if (!isConstraint(error)) throw error;
        return { failure: this.failureOf(error) };
      }
      const found = this.get(collection, id);
      return found === undefined ? null : { version: found.version, unchanged: found.json };
    });
  }

  #writeOneByOne(group: GroupWrite, from: number, to: number, now: number, result: SessionWriteResult): void {
    const { kind, collection, ids, json } = group;
    const run = this.#rowWriter(kind, collection, now);
    for (let i = from; i < to; i++) {
      const id = ids[i]!;
      try {
        if (run(id, json[i]!) === 0) result.missing.push(id);
      } catch (error) {
        // Only a constraint is one row's own fault; SQLite has undone that row and goes on.
        if (!isConstraint(error)) throw error;
        result.rejected.push({ id, failure: this.failureOf(error) });
      }
    }
  }

  #rowWriter(
    kind: GroupWrite["kind"],
    collection: string,
    now: number,
  ): (id: string, json: string) => number {
    switch (kind) {
      case "insert": {
        const statement = this.#prepare(rows.insertRow(collection), true);
        return (id, json) => statement.run(id, json, now).changes;
      }
      case "upsert": {
        const statement = this.#prepare(rows.upsertRow(collection), true);
        return (id, json) => statement.run(id, json, now).changes;
      }
      case "update": {
        const statement = this.#prepare(rows.updateRow(collection), true);
        return (id, json) => statement.run(json, now, id).changes;
      }
      case "delete": {
        const statement = this.#prepare(rows.deleteRow(collection), true);
        return (id) => statement.run(id).changes;
      }
      default:
        return kind satisfies never;
    }
  }
}

function isOwnTableMissing(error: unknown): boolean {
  return /^no such table: (?:main\.)?formdb_indexes$/.test(failureOf(error).message);
}

function isConstraint(error: unknown): boolean {
  return failureOf(error).sqliteCode?.startsWith("SQLITE_CONSTRAINT") === true;
}

/** Writes the rows from `from` on by one statement. False if one of them broke a constraint: then none is written. */
function tryRows(
  statement: Database.Statement,
  { ids, json }: GroupWrite,
  from: number,
  now: number,
): boolean {
  const values: unknown[] = [];
  for (let i = from; i < from + rows.ROWS_AT_ONCE; i++) values.push(ids[i], json[i], now);
  try {
    statement.run(...values);
    return true;
  } catch (error) {
    if (isConstraint(error)) return false;
    throw error;
  }
}
