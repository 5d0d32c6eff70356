import type { Connection } from "../backend/backend.ts";
import { type CallOptions, NO_BOUNDS, remaining, TimeOfParts } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { checkCollectionName } from "../base/collection-name.ts";
import { type EngineStatement, unprepared } from "../base/engine-statement.ts";
import { FormDBError } from "../base/errors.ts";
import { didYouMean } from "../base/nearest.ts";
import { configError, show } from "../base/options.ts";
import { indexPathText } from "../base/subject.ts";
import type { DdlDialect, IndexDefinition, IndexOf } from "../dialect/ddl-dialect.ts";
import type { Dialect } from "../dialect/dialect.ts";
import type { Connections } from "./connections.ts";
import { inTransaction } from "./in-transaction.ts";

/** Told when what a collection looks like has changed, so that plans made before are not used again. */
export type SchemaChanged = (collection: string) => void;

/** How long a statement takes for which an index may be worth looking for, and how long such looks are apart. */
const SLOW_MS = 20;
const LOOKS_APART_MS = 10_000;

/**
 * What collections and indexes there are, as this process knows it, and the only place that changes them.
 * Another process may make or drop one at any time: an unknown name is looked up in the database before it
 * is refused, and a table that turns out to be gone is forgotten.
 */
export class Catalog {
  readonly #connections: Connections;
  readonly #ddl: DdlDialect;
  readonly #changed: SchemaChanged;
  readonly #collections = new Set<string>();
  /** Creations under way by name in lower case, so that concurrent first inserts make one. */
  readonly #creating = new Map<string, Promise<boolean>>();
  readonly #clock: Clock;
  /** Whether statements are spelled by the indexes that are there. */
  readonly #spellsByIndexes: boolean;
  /** By collection the indexes by the paths that they hold, as JSON; undefined until they were read. */
  #known: Map<string, IndexesByPath> | undefined;
  /** Collections with unique indexes; undefined until they were read. */
  #unique: ReadonlySet<string> | undefined;
  #lookedAt = -Infinity;
  /** How often indexes were asked for, and which of those answers came last: an older one tells nothing new. */
  #asked = 0;
  #answered = 0;

  constructor(connections: Connections, dialect: Dialect, clock: Clock, changed: SchemaChanged) {
    this.#connections = connections;
    this.#ddl = dialect.ddl;
    this.#clock = clock;
    this.#changed = changed;
    this.#spellsByIndexes = dialect.knowing !== undefined;
  }

  has(collection: string): boolean {
    return this.#collections.has(collection);
  }

  /** Reads from the database which collections there are; plans of those that came or went are stale. */
  async refresh(bounds: CallOptions = NO_BOUNDS): Promise<readonly string[]> {
    const start = this.#clock.now();
    const rows = await this.#list(this.#ddl.listCollections, bounds);
    const found = new Set(rows.map(([name]) => name as string));
    for (const name of this.#collections) {
      if (!found.has(name)) this.forget(name);
    }
    const isNew = [...found].some((name) => !this.#collections.has(name));
    for (const name of found) this.#collections.add(name);
    // Another process made it, perhaps with indexes.
    if (isNew && this.#spellsByIndexes && this.#known !== undefined) {
      await this.indexes(undefined, remaining(bounds, this.#clock.now() - start));
    }
    return [...found];
  }

  /** Resolves when the collection is there, to what is left of the bounds; else rejects with the nearest known name. */
  async need(collection: string, bounds: CallOptions = NO_BOUNDS): Promise<CallOptions> {
    const start = this.#clock.now();
    const absence = await this.absence(collection, bounds);
    if (absence !== undefined) throw unknownError(collection, absence);
    return remaining(bounds, this.#clock.now() - start);
  }

  /** As `need`, asking on a connection that the caller holds. */
  async needOn(connection: Connection, collection: string, bounds: CallOptions): Promise<void> {
    const absence = await this.absenceOn(connection, collection, bounds);
    if (absence !== undefined) throw unknownError(collection, absence);
  }

  /** What there is instead of a collection that is not there, for an error's message; undefined if it is there. */
  async absence(collection: string, bounds: CallOptions = NO_BOUNDS): Promise<string | undefined> {
    if (this.#collections.has(collection)) return undefined;
    const names = await this.refresh(bounds);
    return names.includes(collection) ? undefined : absenceAmong(names, collection);
  }

  /** As `absence`, asking on a connection that the caller holds. */
  async absenceOn(
    connection: Connection,
    collection: string,
    bounds: CallOptions,
  ): Promise<string | undefined> {
    if (this.#collections.has(collection)) return undefined;
    const names = await namesOn(connection, this.#ddl, bounds);
    return names.includes(collection) ? undefined : absenceAmong(names, collection);
  }

  /** Makes the collection as a part of the caller's transaction; `created` tells of it once that is committed. */
  async createOn(connection: Connection, collection: string, bounds: CallOptions): Promise<void> {
    await this.#createWhereMissing(connection, checkCollectionName(collection), bounds);
  }

  /** Notes collections that a transaction has made. */
  created(collections: Iterable<string>): void {
    for (const collection of collections) {
      this.#collections.add(collection);
      this.#changed(collection);
    }
  }

  /**
   * Whether a transaction could not make a collection because another one had made it after this one's snapshot:
   * begun again, it sees it.
   */
  async wasMadeMeanwhile({ taken, collection }: FormDBError, bounds: CallOptions): Promise<boolean> {
    return taken === true && (await this.refresh(bounds)).includes(collection as string);
  }

  /** Makes the collection unless it is there. Resolves to whether this call has made it. */
  async create(collection: string): Promise<boolean> {
    checkCollectionName(collection);
    const key = collection.toLowerCase();
    for (;;) {
      if (this.#collections.has(collection)) return false;
      const underWay = this.#creating.get(key);
      if (underWay === undefined) break;
      // What it ends with is its own caller's; here only that it has ended counts.
      await underWay.catch(() => {});
    }
    const creation = this.#create(collection).finally(() => this.#creating.delete(key));
    this.#creating.set(key, creation);
    return creation;
  }

  #create(collection: string): Promise<boolean> {
    return this.#connections.use("write", {}, async (connection) => {
      const made = await this.#change(connection, () => this.#createWhereMissing(connection, collection));
      if (made) this.created([collection]);
      else this.#collections.add(collection);
      return made;
    });
  }

  async #createWhereMissing(
    connection: Connection,
    collection: string,
    bounds: CallOptions = NO_BOUNDS,
  ): Promise<boolean> {
    // Another transaction that makes collections is waited for.
    const time = new TimeOfParts("Making the collection", bounds, this.#clock);
    const names = await namesOn(connection, this.#ddl, time.next());
    if (names.includes(collection)) return false;
    const twin = names.find((name) => name.toLowerCase() === collection.toLowerCase());
    if (twin !== undefined) throw twinError(collection, twin);
    for (const text of this.#ddl.createCollection(collection)) {
      await connection.execute(once(text, false), [], time.next());
    }
    const after = await namesOn(connection, this.#ddl, time.next());
    if (!after.includes(collection)) throw foreignError(collection);
    return true;
  }

  /** Drops the collection with its documents and indexes. Resolves to whether it was there. */
  async drop(collection: string): Promise<boolean> {
    checkCollectionName(collection);
    await this.refresh();
    if (!this.#collections.has(collection)) return false;
    const indexes = [...(this.#known?.get(collection)?.values() ?? [])];
    await this.#run(this.#ddl.dropCollection(collection, indexes));
    this.forget(collection);
    return true;
  }

  /** Notes that the collection is gone. */
  forget(collection: string): void {
    this.#collections.delete(collection);
    this.#known?.delete(collection);
    this.#changed(collection);
  }

  /** A table that is gone was dropped by another process. Says whether that is what the error tells. */
  noticeMissing(error: unknown, collection: string): boolean {
    const missing = error instanceof FormDBError && error.code === "FORMDB_UNKNOWN_COLLECTION";
    if (missing) this.forget(collection);
    return missing;
  }

  async indexes(collection?: string, bounds: CallOptions = NO_BOUNDS): Promise<readonly IndexDefinition[]> {
    const asked = ++this.#asked;
    const rows = await this.#list(this.#ddl.listIndexes, bounds);
    const all = rows.map(([owner, name, paths, unique]) => ({
      collection: owner as string,
      name: name as string,
      paths: JSON.parse(paths as string) as IndexDefinition["paths"],
      unique: Boolean(unique),
    }));
    if (asked > this.#answered) {
      this.#answered = asked;
      this.#learn(all);
    }
    return collection === undefined ? all : all.filter((index) => index.collection === collection);
  }

  /** Gives the indexes of the collection as far as this process knows them; undefined if it knows nothing of indexes. */
  knownIndexes(collection: string): IndexOf | undefined {
    if (this.#known === undefined) return undefined;
    const indexes = this.#known.get(collection);
    return (path) => indexes?.get(JSON.stringify(path));
  }

  /** Whether the collection has a unique index, as far as this process knows. */
  mayHaveUniqueIndex(collection: string): boolean {
    return this.#unique?.has(collection) ?? true;
  }

  /**
   * Looks after a slow statement, in the background and not too often, whether another process has made an index that
   * would have served it.
   */
  noticeSlow(databaseMs: number): void {
    if (databaseMs < SLOW_MS || !this.#spellsByIndexes) return;
    const now = this.#clock.now();
    if (now - this.#lookedAt < LOOKS_APART_MS) return;
    this.#lookedAt = now;
    // Nobody waits for it: the next slow statement looks again.
    this.indexes().catch(() => {});
  }

  /** Notes what indexes there are. Plans of collections whose indexed paths are others than before are stale. */
  #learn(indexes: readonly IndexDefinition[]): void {
    const known = this.#known;
    const found = new Map<string, Map<string, IndexDefinition>>();
    for (const index of indexes) {
      const held = found.get(index.collection) ?? new Map<string, IndexDefinition>();
      found.set(index.collection, held);
      for (const [i, path] of index.paths.map((path) => JSON.stringify(path)).entries()) {
        // Of several, one that it is first in.
        if (i === 0 || !held.has(path)) held.set(path, index);
      }
    }
    this.#known = found;
    this.#unique = new Set(indexes.filter(({ unique }) => unique).map(({ collection }) => collection));
    this.#lookedAt = this.#clock.now();
    if (known === undefined) return;
    for (const collection of new Set([...known.keys(), ...found.keys()])) {
      if (!sameIndexes(known.get(collection), found.get(collection))) this.#changed(collection);
    }
  }

  /**
   * Makes those indexes anew that an earlier version has made: they hold expressions that no query asks for any more.
   * Resolves to their names.
   */
  async renewIndexes(): Promise<readonly string[]> {
    // Where not even FormDB's own tables are, as in a file that is only read, there is nothing to renew.
    const indexes = await this.indexes().catch(() => []);
    if (indexes.length === 0) return [];
    const definitions = new Map((await this.#list(this.#ddl.listDefinitions)) as [string, string][]);
    const renewed: string[] = [];
    for (const index of indexes) {
      const { collection, name } = index;
      const definition = definitions.get(this.#ddl.indexName(collection, name));
      if (definition === undefined || this.#ddl.isCurrent(index, definition)) continue;
      await this.#run([...this.#ddl.dropIndex(collection, name), ...this.#ddl.createIndex(index)]);
      this.#changed(collection);
      renewed.push(name);
    }
    return renewed;
  }

  /** Makes an index; one of that name with the same definition is left as it is. */
  async createIndex(index: IndexDefinition): Promise<void> {
    await this.need(index.collection);
    const known = (await this.indexes(index.collection)).find(({ name }) => name === index.name);
    if (known !== undefined) {
      if (sameIndex(known, index)) return;
      throw new FormDBError(
        "FORMDB_CONSTRAINT",
        `${index.collection} already has an index ${JSON.stringify(index.name)} with another definition: ` +
          `over ${known.paths.map(indexPathText).join(" and ")}, ${known.unique ? "unique" : "not unique"}`,
        { details: { collection: index.collection, index: index.name } },
      );
    }
    try {
      await this.#run(this.#ddl.createIndex(index));
    } catch (error) {
      // Another process may have made the very same one at the same time.
      const now = await this.indexes(index.collection).catch(() => []);
      if (!now.some((other) => other.name === index.name && sameIndex(other, index))) throw error;
    }
    await this.#reread(index.collection);
  }

  async dropIndex(collection: string, name: string): Promise<void> {
    if (typeof name !== "string") throw configError(`An index's name must be a string, not ${show(name)}`);
    await this.need(collection);
    const names = (await this.indexes(collection)).map((index) => index.name);
    if (!names.includes(name)) {
      throw new FormDBError(
        "FORMDB_NOT_FOUND",
        `${collection} has no index ${JSON.stringify(name)}${didYouMean(name, names)}`,
        { details: { collection, index: name } },
      );
    }
    await this.#run(this.#ddl.dropIndex(collection, name));
    await this.#reread(collection);
  }

  /** Reads again what indexes there are, where that decides how statements are spelled, once one was made or dropped. */
  async #reread(collection: string): Promise<void> {
    if (this.#spellsByIndexes) {
      await this.indexes().catch(() => {
        this.#known = undefined;
        this.#unique = undefined;
      });
    }
    this.#changed(collection);
  }

  async #list(text: string, bounds: CallOptions = NO_BOUNDS): Promise<readonly (readonly unknown[])[]> {
    const start = this.#clock.now();
    const { rows } = await this.#connections.use("read", bounds, (connection) =>
      connection.execute(once(text, true), [], remaining(bounds, this.#clock.now() - start)),
    );
    return rows;
  }

  #run(texts: readonly string[]): Promise<void> {
    return this.#connections.use("write", {}, (connection) =>
      this.#change(connection, () => runAll(connection, texts)),
    );
  }

  /** Runs a change of the schema, as one transaction where the engine has such. */
  #change<T>(connection: Connection, work: () => Promise<T>): Promise<T> {
    return this.#connections.transactionalDdl ? inTransaction(connection, {}, work) : work();
  }
}

type IndexesByPath = ReadonlyMap<string, IndexDefinition>;

/** Whether both hold the same paths by indexes of the same names. */
function sameIndexes(a: IndexesByPath = new Map(), b: IndexesByPath = new Map()): boolean {
  return a.size === b.size && [...a].every(([path, { name }]) => b.get(path)?.name === name);
}

async function namesOn(connection: Connection, ddl: DdlDialect, bounds: CallOptions): Promise<string[]> {
  const { rows } = await connection.execute(once(ddl.listCollections, true), [], bounds);
  return rows.map(([name]) => name as string);
}

function absenceAmong(names: readonly string[], collection: string): string {
  const known =
    names.length === 0
      ? "; there are no collections yet"
      : didYouMean(collection, names) || `; there ${names.length === 1 ? "is" : "are"} ${list(names)}`;
  return `no collection ${JSON.stringify(collection)}${known}`;
}

function unknownError(collection: string, absence: string): FormDBError {
  return new FormDBError("FORMDB_UNKNOWN_COLLECTION", `There is ${absence}`, { details: { collection } });
}

function twinError(collection: string, twin: string): FormDBError {
  return new FormDBError(
    "FORMDB_CONFIG",
    `Collection ${JSON.stringify(collection)} can't be made beside ${JSON.stringify(twin)}: ` +
      "names must differ in more than upper and lower case, which some engines don't tell apart",
    { details: { collection } },
  );
}

function foreignError(collection: string): FormDBError {
  return new FormDBError(
    "FORMDB_CONFIG",
    `Collection ${JSON.stringify(collection)} can't be made: the database has a table of that name that is no collection`,
    { details: { collection, taken: true } },
  );
}

async function runAll(connection: Connection, texts: readonly string[]): Promise<void> {
  for (const text of texts) await connection.execute(once(text, false), []);
}

function once(text: string, returnsRows: boolean): EngineStatement {
  return unprepared(text, { cost: "scan", returnsRows });
}

function sameIndex(a: IndexDefinition, b: IndexDefinition): boolean {
  return a.unique === b.unique && JSON.stringify(a.paths) === JSON.stringify(b.paths);
}

function list(names: readonly string[]): string {
  const shown = names
    .slice(0, 10)
    .map((name) => JSON.stringify(name))
    .join(", ");
  return names.length > 10 ? `${shown} and ${names.length - 10} more` : shown;
}
