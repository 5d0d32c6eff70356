import { isPlace } from "../../base/subject.ts";
import type { DdlDialect, IndexDefinition } from "../ddl-dialect.ts";
import { quote } from "../quote.ts";
import {
  CREATE_ELEMENTS,
  createElementIndex,
  dropElementIndex,
  forgetElements,
  isCurrentTrigger,
} from "./element-index.ts";
import { sqliteExpressions } from "./expressions.ts";
import { indexName, literal } from "./names.ts";

function createIndex(index: IndexDefinition): string[] {
  const { collection, name, paths, unique } = index;
  const places = paths.filter(isPlace);
  const keys = sqliteExpressions.indexColumns(places, unique).join(", ");
  const made =
    places.length < paths.length
      ? createElementIndex(index)
      : [
          `CREATE ${unique ? "UNIQUE " : ""}INDEX ${quote(indexName(collection, name))} ON ${quote(collection)} (${keys})`,
        ];
  return [
    ...made,
    `INSERT INTO formdb_indexes (collection, name, paths, is_unique) VALUES ` +
      `(${literal(collection)}, ${literal(name)}, ${literal(JSON.stringify(paths))}, ${unique ? 1 : 0})`,
  ];
}

/** The collection and the user's name of an index, from its name in SQLite's schema; undefined for other names. */
function parseIndexName(name: string): { collection: string; name: string } | undefined {
  const [, collection, own] = /^formdb_index_(\w+)\.(.+)$/.exec(name) ?? [];
  return collection === undefined || own === undefined ? undefined : { collection, name: own };
}

interface SqliteDdl extends DdlDialect {
  readonly parseIndexName: typeof parseIndexName;
  /** Values: collection, name. Row: the index's paths as JSON. */
  readonly pathsOfIndex: string;
}

/** How SQLite makes, drops and lists collections and indexes. */
export const sqliteDdl: SqliteDdl = Object.freeze({
  bootstrap: Object.freeze([
    `CREATE TABLE IF NOT EXISTS formdb_indexes (collection TEXT NOT NULL, name TEXT NOT NULL, ` +
      `paths TEXT NOT NULL, is_unique INTEGER NOT NULL, PRIMARY KEY (collection, name)) WITHOUT ROWID`,
    `CREATE TABLE IF NOT EXISTS formdb_batches (token TEXT PRIMARY KEY, applied TEXT NOT NULL, ` +
      `created_at INTEGER NOT NULL) WITHOUT ROWID`,
    `CREATE INDEX IF NOT EXISTS formdb_batches_by_age ON formdb_batches (created_at)`,
    CREATE_ELEMENTS,
  ]),
  createCollection: (collection: string): readonly string[] => [
    `CREATE TABLE IF NOT EXISTS ${quote(collection)} (id TEXT NOT NULL PRIMARY KEY, doc BLOB NOT NULL, ` +
      `version INTEGER NOT NULL DEFAULT 1, updated_at INTEGER NOT NULL)`,
  ],
  dropCollection: (collection: string, indexes: readonly IndexDefinition[] = []): readonly string[] => [
    `DROP TABLE IF EXISTS ${quote(collection)}`,
    ...indexes
      .filter(({ paths }) => !paths.every(isPlace))
      .map(({ name }) => forgetElements(collection, name)),
    `DELETE FROM formdb_indexes WHERE collection = ${literal(collection)}`,
  ],
  createIndex,
  indexName,
  parseIndexName,
  pathsOfIndex: "SELECT paths FROM formdb_indexes WHERE collection = ? AND name = ?",
  primaryKeyName: (collection: string): string => `sqlite_autoindex_${collection}_1`,
  dropIndex: (collection: string, name: string): readonly string[] => [
    `DROP INDEX IF EXISTS ${quote(indexName(collection, name))}`,
    ...dropElementIndex(collection, name),
    `DELETE FROM formdb_indexes WHERE collection = ${literal(collection)} AND name = ${literal(name)}`,
  ],
  // A collection is a table with exactly our columns: a user's other tables in the file are not touched.
  listCollections:
    `SELECT s.name FROM sqlite_master s WHERE s.type = 'table' AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ` +
    `AND s.name NOT LIKE 'formdb\\_%' ESCAPE '\\' ` +
    `AND (SELECT group_concat(c.name, ',') FROM pragma_table_info(s.name) c) = 'id,doc,version,updated_at' ` +
    `ORDER BY s.name`,
  listDefinitions: `SELECT name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND name GLOB 'formdb_index_*'`,
  isCurrent: ({ paths }: IndexDefinition, definition: string): boolean =>
    paths.every((path) =>
      isPlace(path)
        ? sqliteExpressions.indexExpressions(path).every((each) => definition.includes(each))
        : isCurrentTrigger(definition),
    ),
  listIndexes: `SELECT collection, name, paths, is_unique FROM formdb_indexes ORDER BY collection, name`,
  integrity: "PRAGMA integrity_check",
  ownIndexes: Object.freeze([]),
  wrongDocuments: (collection: string, limit: number): string =>
    `SELECT id, wrong FROM (SELECT id, CASE WHEN typeof(id) <> 'text' OR id = '' THEN 'its key is no text' ` +
    `WHEN json_valid(doc, 8) = 0 THEN 'it is no JSON' WHEN json_type(doc) <> 'object' THEN 'it is no JSON object' ` +
    `WHEN json_type(doc, '$.id') IS NOT NULL AND CAST(json_extract(doc, '$.id') AS TEXT) IS NOT id ` +
    `THEN 'its field id is not its key' WHEN typeof(version) <> 'integer' OR version < 1 ` +
    `THEN 'its version is no number from 1' WHEN typeof(updated_at) <> 'integer' ` +
    `THEN 'its updated_at is no whole number' END AS wrong FROM ${quote(collection)}) WHERE wrong IS NOT NULL LIMIT ${limit}`,
});
