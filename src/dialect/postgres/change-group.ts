import type { ChangeGroup, ChangeParts } from "../dialect.ts";
import { type Fragment, sql } from "../fragment.ts";
import { NOW_MS } from "./names.ts";

/**
 * The statement that makes many changes of one form. `$1` is a JSON array with an element `[id, place, last, value, …]` a change,
 * sorted by id: `place` counts the changes of one id from 1 in their order, and `last` is whether it is the last of them. `$2` is a
 * token to be stored, or null. It gives one row of one column: a JSON array with an element `[id, place, version]` for each
 * change of a document that is there, which ends in the document where that could not be changed.
 *
 * Rows are locked in the order of their ids. Changes of one document are made one after the other by a recursive query, each
 * of what the one before it has left; then each document is written once. No collection's name begins with `formdb_`, so that none
 * is hidden by a part of the statement.
 */
export const changeGroup: ChangeGroup = Object.freeze({
  place: (position: number): string => `(given->>${position + 2})`,

  statement({ table, document, condition }: ChangeParts): Fragment {
    const given =
      "SELECT e->>0 AS key, (e->>1)::int AS place, (e->>2)::boolean AS last, e AS given FROM jsonb_array_elements($1::jsonb) AS e";
    const locked =
      `SELECT id, doc, version FROM ${table} WHERE id = ANY (ARRAY(SELECT key FROM formdb_given WHERE place = 1)) ` +
      "ORDER BY id FOR UPDATE";
    const from =
      " FROM formdb_made AS m JOIN formdb_given AS g ON g.key = m.id AND g.place = m.place + 1, LATERAL ";
    const made = sql`SELECT id, 0, FALSE, doc, version, TRUE FROM formdb_locked UNION ALL SELECT id, g.place, g.last, CASE WHEN may THEN ${document} ELSE doc END, version + may::int, may${from}(SELECT coalesce(${condition}, FALSE) AS may) AS c`;
    const written =
      `UPDATE ${table} AS t SET doc = m.doc, version = m.version, updated_at = ${NOW_MS} FROM formdb_made AS m, formdb_locked AS l ` +
      "WHERE m.last AND t.id = m.id AND t.id = l.id AND m.version > l.version";
    const outcome =
      "SELECT coalesce(jsonb_agg(CASE WHEN done THEN jsonb_build_array(id, place, version) " +
      "ELSE jsonb_build_array(id, place, version, doc) END), '[]')::text AS applied FROM formdb_made WHERE place > 0";
    const stored =
      "INSERT INTO formdb_batches (token, applied, created_at) " +
      `SELECT $2::text, applied, ${NOW_MS} FROM formdb_outcome WHERE $2::text IS NOT NULL`;
    return sql`WITH RECURSIVE formdb_given AS MATERIALIZED (${given}), formdb_locked AS MATERIALIZED (${locked}), formdb_made (id, place, last, doc, version, done) AS (${made}), formdb_written AS (${written}), formdb_outcome AS (${outcome}), formdb_stored AS (${stored}) SELECT applied FROM formdb_outcome`;
  },
});

/**
 * The statement that makes one change and stores its token, from the one that makes it and gives the version, which has so many
 * values. Two more are the id and the token, or null. It gives what the statement above gives, or no row if it has changed nothing.
 */
export function changeAlone(change: string, values: number): string {
  const made = `jsonb_build_array(jsonb_build_array($${values + 1}::text, 1, version))::text AS applied`;
  const token = `$${values + 2}::text`;
  return (
    `WITH formdb_made AS (${change}), formdb_outcome AS (SELECT ${made} FROM formdb_made), formdb_stored AS (` +
    `INSERT INTO formdb_batches (token, applied, created_at) SELECT ${token}, applied, ${NOW_MS} ` +
    `FROM formdb_outcome WHERE ${token} IS NOT NULL) SELECT applied FROM formdb_outcome`
  );
}
