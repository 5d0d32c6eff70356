import { JOURNALLED_TOKEN_PREFIX } from "../../base/journal.ts";
import { quote } from "../quote.ts";

/**
 * The statements that write documents. A group is one transaction of them: statements of `ROWS_AT_ONCE` rows where
 * a group is large enough, of one row for the rest. Measured here, 200 000 documents of 200 bytes, a statement of
 * 20 to 50 rows takes two thirds of the time of one a row; one statement over `json_each` takes 1.2 to 1.8
 * times as long.
 */

/** Rows that one statement writes where there are as many. */
export const ROWS_AT_ONCE = 32;

const ROW = "(?, jsonb(?), ?)";
const ROWS = Array.from({ length: ROWS_AT_ONCE }, () => ROW).join(", ");
const REPLACE =
  "ON CONFLICT (id) DO UPDATE SET doc = excluded.doc, version = version + 1, updated_at = excluded.updated_at";

function insertInto(collection: string, rows: string): string {
  return `INSERT INTO ${quote(collection)} (id, doc, updated_at) VALUES ${rows}`;
}

/** Values: id, JSON text, milliseconds since 1970. No row changes where the id is taken. */
export function insertRow(collection: string): string {
  return `${insertInto(collection, ROW)} ON CONFLICT (id) DO NOTHING`;
}

/** The same values `ROWS_AT_ONCE` times. Inserts all rows, or none where an id is taken. */
export function insertRows(collection: string): string {
  return insertInto(collection, ROWS);
}

/** Values: id, JSON text, milliseconds since 1970. */
export function upsertRow(collection: string): string {
  return `${insertInto(collection, ROW)} ${REPLACE}`;
}

/** The same values `ROWS_AT_ONCE` times. All rows or none. */
export function upsertRows(collection: string): string {
  return `${insertInto(collection, ROWS)} ${REPLACE}`;
}

/** Values: merge patch as JSON text, milliseconds since 1970, id. `jsonb_patch` follows RFC 7396. */
export function updateRow(collection: string): string {
  return (
    `UPDATE ${quote(collection)} SET doc = jsonb_patch(doc, ?), version = version + 1, updated_at = ? ` +
    `WHERE id = ?`
  );
}

/** Values: id. */
export function deleteRow(collection: string): string {
  return `DELETE FROM ${quote(collection)} WHERE id = ?`;
}

/** Values: a JSON array of ids. Rows: id, document as JSON text, milliseconds since 1970, version. */
export function getManyRows(collection: string): string {
  return (
    `SELECT id, json(doc), updated_at, version FROM ${quote(collection)} ` +
    `WHERE id IN (SELECT value FROM json_each(?))`
  );
}

/** Values: id. Row: the document as JSON text. */
export function getText(collection: string): string {
  return `SELECT json(doc) FROM ${quote(collection)} WHERE id = ?`;
}

/** Values: id. Row: document as JSON text, milliseconds since 1970, version. */
export function getRow(collection: string): string {
  return `SELECT json(doc), updated_at, version FROM ${quote(collection)} WHERE id = ?`;
}

export const STORE_TOKEN = `INSERT INTO formdb_batches (token, applied, created_at) VALUES (?, ?, ?)`;
export const LOOK_UP_TOKEN = `SELECT applied FROM formdb_batches WHERE token = ?`;
/** Values: milliseconds since 1970 before which tokens are old; the same for those of groups from a journal. */
export const PRUNE_TOKENS: string =
  `DELETE FROM formdb_batches WHERE created_at < ? ` +
  `AND (created_at < ? OR token NOT GLOB '${JOURNALLED_TOKEN_PREFIX}*')`;
