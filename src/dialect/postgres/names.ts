import { hash52 } from "../hash52.ts";

/** Milliseconds since 1970 at the beginning of the transaction. */
export const NOW_MS = "(extract(epoch FROM now()) * 1000)::bigint";

/**
 * Keeps a query within a query apart, so that what it works out is worked out once. As a plain `0` it would have to be cast, and
 * the planner, which looks before that is done, would give the outer query no parallel workers.
 */
export const KEPT_APART = "OFFSET '0'::bigint";

/** PostgreSQL cuts longer identifiers without a word. */
const MAX_IDENTIFIER_BYTES = 63;

/**
 * A string as SQL text. Only for names that were validated and JSON that was made here, never for values.
 * The `E''` form means the same whatever `standard_conforming_strings` says.
 */
export function literal(text: string): string {
  const doubled = text.replaceAll("'", "''");
  return doubled.includes("\\") ? `E'${doubled.replaceAll("\\", "\\\\")}'` : `'${doubled}'`;
}

/**
 * The name of an index in the schema, where tables and indexes of all collections share one space of names
 * of 63 bytes: the beginnings of both names for people, and a hash of the whole for the engine. No
 * collection's name starts with `formdb_`, so none can be in its way.
 */
export function physicalIndexName(collection: string, name: string): string {
  const hash = hash52(`${collection}\0${name}`).toString(36);
  const readable = `formdb_${collection}_${name}`.replace(/[^A-Za-z0-9_]/g, "_");
  return `${readable.slice(0, MAX_IDENTIFIER_BYTES - hash.length - 1)}_${hash}`;
}

/**
 * The name that an index has for its users, from its name in the schema; undefined where that was cut, or belongs to no
 * index of FormDB.
 */
export function logicalIndexName(collection: string, physicalName: string): string | undefined {
  const start = `formdb_${collection}_`.length;
  const name = physicalName.slice(start, physicalName.lastIndexOf("_"));
  return physicalIndexName(collection, name) === physicalName ? name : undefined;
}
