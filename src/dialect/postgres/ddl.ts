import { FormDBError } from "../../base/errors.ts";
import { type IndexPath, indexPathText, isPlace, type WidePath } from "../../base/subject.ts";
import type { DdlDialect, IndexDefinition } from "../ddl-dialect.ts";
import { quote } from "../quote.ts";
import { indexColumns } from "./columns.ts";
import { CREATE_MERGE_FUNCTION } from "./merge-patch.ts";
import { literal, physicalIndexName } from "./names.ts";
import type { EngineProfile } from "./profiles.ts";
import { always, elementsOf, keyMark } from "./terms.ts";

/** The key of the advisory lock under which FormDB changes the schema: "FormDB" in ASCII. */
export const DDL_LOCK_KEY = 77_444_475_077_698n;

/** How PostgreSQL and its kin make, drop and list collections and indexes. */
export function postgresDdl(profile: EngineProfile): DdlDialect {
  const doc = profile.documentType === "jsonb" ? "doc" : "doc::jsonb";
  const key = `text${profile.collation === "" ? "" : ` ${profile.collation}`}`;
  // `IF NOT EXISTS` alone lets two processes meet in the catalogue; the lock, in one text with the statements and
  // so in one transaction with them, keeps them apart and makes an index and its entry one change. Citus sends a text
  // to its workers as it is, which take one statement at a time: there the caller's transaction holds them together.
  const atOnce = (...statements: readonly string[]): readonly string[] => {
    if (!profile.transactionalDdl) return Object.freeze([...statements]);
    const locked = [`SELECT pg_advisory_xact_lock(${DDL_LOCK_KEY})`, ...statements];
    return Object.freeze(profile.distributes ? locked : [locked.join("; ")]);
  };

  /** The kind of an index, if it is not the usual one, and what it holds. */
  function keys({ collection, name, paths, unique }: IndexDefinition): string {
    if (!profile.expressionIndexes) {
      throw new FormDBError("FORMDB_UNSUPPORTED", `${profile.name} has no indexes over parts of documents`);
    }
    const places = paths.filter(isPlace);
    const wide = paths.find((path): path is WidePath => !isPlace(path));
    if (wide !== undefined) {
      if (profile.spellsByIndexes) return `USING gin (${elementsOf(wide)} jsonb_path_ops)`;
      throw new FormDBError(
        "FORMDB_UNSUPPORTED",
        `${profile.name} has no indexes over the elements of arrays`,
        { details: { collection, index: name } },
      );
    }
    if (unique && profile.uniqueIndexes === "with id" && !paths.some(isKey)) {
      throw new FormDBError(
        "FORMDB_UNSUPPORTED",
        `The unique index ${JSON.stringify(name)} can't be made on ${profile.name}: the id must be one of its paths, ` +
          `unlike ${paths.map(indexPathText).join(", ")}, since no node sees the documents of all others`,
        { details: { collection, index: name } },
      );
    }
    const parts = indexColumns(places, unique, { indexedAt: always, shortCase: profile.shortCase });
    return `(${parts.map((part) => (part === "id" ? part : `(${part})`)).join(", ")})`;
  }

  return Object.freeze({
    bootstrap: atOnce(
      `CREATE TABLE IF NOT EXISTS formdb_indexes (collection ${key} NOT NULL, name ${key} NOT NULL, ` +
        `paths text NOT NULL, is_unique boolean NOT NULL, PRIMARY KEY (collection, name))`,
      `CREATE TABLE IF NOT EXISTS formdb_batches (token ${key} PRIMARY KEY, applied text, created_at bigint NOT NULL)`,
      ...(profile.functions ? [CREATE_MERGE_FUNCTION] : []),
      ...(profile.distributes
        ? [
            "SELECT create_reference_table('formdb_indexes')",
            // An application's own tables may be in the group that Citus would choose, with another collation.
            "SELECT create_distributed_table('formdb_batches', 'token', colocate_with => 'none')",
          ]
        : []),
    ),
    createCollection: (collection: string): readonly string[] =>
      atOnce(
        `CREATE TABLE IF NOT EXISTS ${quote(collection)} (id ${key} PRIMARY KEY, ` +
          `doc ${profile.documentType} NOT NULL, version bigint NOT NULL DEFAULT 1, updated_at bigint NOT NULL)`,
        ...(profile.distributes ? [distribute(collection)] : []),
      ),
    dropCollection: (collection: string): readonly string[] =>
      atOnce(
        `DROP TABLE IF EXISTS ${quote(collection)}`,
        `DELETE FROM formdb_indexes WHERE collection = ${literal(collection)}`,
      ),
    createIndex: (index: IndexDefinition): readonly string[] =>
      atOnce(
        `CREATE ${index.unique ? "UNIQUE " : ""}INDEX ${quote(physicalIndexName(index.collection, index.name))} ` +
          `ON ${quote(index.collection)} ${keys(index)}`,
        `INSERT INTO formdb_indexes (collection, name, paths, is_unique) VALUES (${literal(index.collection)}, ` +
          `${literal(index.name)}, ${literal(JSON.stringify(index.paths))}, ${index.unique})`,
      ),
    indexName: physicalIndexName,
    primaryKeyName: (collection: string): string => `${collection}_pkey`,
    dropIndex: (collection: string, name: string): readonly string[] =>
      atOnce(
        `DROP INDEX IF EXISTS ${quote(physicalIndexName(collection, name))}`,
        `DELETE FROM formdb_indexes WHERE collection = ${literal(collection)} AND name = ${literal(name)}`,
      ),
    // A collection is a table with exactly our columns: a user's other tables are not touched.
    listCollections:
      `SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ` +
      `WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND c.relname NOT LIKE 'formdb\\_%' ` +
      `AND (SELECT string_agg(a.attname::text, ',' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a ` +
      `WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) = 'id,doc,version,updated_at' ORDER BY 1`,
    listDefinitions:
      `SELECT c.relname::text, pg_get_indexdef(i.indexrelid) FROM pg_catalog.pg_index i ` +
      `JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ` +
      `WHERE n.nspname = current_schema() AND c.relname LIKE 'formdb\\_%'`,
    // PostgreSQL gives expressions in a spelling of its own.
    isCurrent: ({ paths }: IndexDefinition, definition: string): boolean =>
      paths.every((path) => isKey(path) || !isPlace(path) || "type" in path) ||
      definition.includes(keyMark(profile.shortCase)),
    listIndexes: `SELECT collection, name, paths, is_unique FROM formdb_indexes ORDER BY collection, name`,
    ownIndexes: Object.freeze(["formdb_indexes_pkey", "formdb_batches_pkey"]),
    invalidIndexes:
      `SELECT c.relname::text FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid ` +
      `JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ` +
      `WHERE n.nspname = current_schema() AND c.relname LIKE 'formdb\\_%' AND NOT (i.indisvalid AND i.indisready)`,
    wrongDocuments: (collection: string, limit: number): string =>
      `SELECT id, wrong FROM (SELECT id, CASE WHEN id = '' THEN 'its key is no text' ` +
      `WHEN jsonb_typeof(${doc}) <> 'object' THEN 'it is no JSON object' ` +
      `WHEN (${doc} -> 'id') IS NOT NULL AND (${doc} ->> 'id') IS DISTINCT FROM id THEN 'its field id is not its key' ` +
      `WHEN version < 1 THEN 'its version is no number from 1' END AS wrong FROM ${quote(collection)}) AS documents ` +
      `WHERE wrong IS NOT NULL LIMIT ${limit}`,
  });
}

function isKey(path: IndexPath): boolean {
  return !("type" in path) && path.length === 1 && path[0] === "id";
}

/**
 * Hands a new table to Citus, unless another process was first. Its documents lie beside the tokens of their groups, unless
 * the tokens' table was made before the database was one of Citus.
 */
function distribute(collection: string): string {
  const table = literal(quote(collection));
  return (
    `SELECT create_distributed_table(${table}, 'id', colocate_with => (SELECT CASE WHEN EXISTS (` +
    "SELECT FROM pg_dist_partition WHERE logicalrelid = 'formdb_batches'::regclass AND partmethod = 'h') " +
    `THEN 'formdb_batches' ELSE 'default' END)) WHERE NOT EXISTS ` +
    `(SELECT FROM pg_dist_partition WHERE logicalrelid = ${table}::regclass)`
  );
}
