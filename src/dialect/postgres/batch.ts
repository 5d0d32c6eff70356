import { JOURNALLED_TOKEN_LIFE_MS, JOURNALLED_TOKEN_PREFIX } from "../../base/journal.ts";
import { quote } from "../quote.ts";
import type { MergeSpelling } from "./merge-patch.ts";
import { NOW_MS } from "./names.ts";
import type { EngineProfile } from "./profiles.ts";

/**
 * The statements that write a whole group of operations. Whatever the group's size, they take the same
 * few parameters, so few texts are ever prepared:
 *
 * - `$1`, a JSON array with one element an operation, sorted by id: `[id, document]` for inserts and upserts,
 *   `[id, patch]` for updates, `id` for deletes;
 * - `$2`, how many operations that are;
 * - `$3`, where the token is stored by the same statement, the token.
 *
 * Each gives one row of one column: null where all were applied, else the ids that were, as a JSON array.
 */
export interface BatchStatements {
  insert(collection: string, withToken: boolean): string;
  /**
   * `$1` as above, `$2` the token: inserts all or, where one is refused or its id is taken, fails. Gives no rows.
   * Only for engines that change two tables in one statement.
   */
  insertAll(collection: string): string;
  upsert(collection: string, withToken: boolean): string;
  /** `merge` was spelled for the target and the patch below. */
  update(collection: string, merge: MergeSpelling, withToken: boolean): string;
  readonly mergeTarget: string;
  readonly mergePatch: string;
  delete(collection: string, withToken: boolean): string;
  /** Takes rows of id, document, and milliseconds since 1970 in the profile's format. */
  copy(collection: string): string;
  /** `$1` is a JSON array of ids; rows are id, document as JSON text, milliseconds since 1970, version. */
  getMany(collection: string): string;
  /** `$1` is an id; a row as above. */
  getOne(collection: string): string;
  /** As `getMany` and `getOne`; rows are id and document alone. */
  getTexts(collection: string): string;
  getText(collection: string): string;
  /** `$1` is a token, `$2` what the statement above gave. A row of one column: the transaction's time. */
  readonly storeToken: string;
  /**
   * `$1` is a token. A row of one column: as the statements above give it, or `NOT_COMMITTED`. It waits for a
   * transaction that is about to commit the token, and keeps the token from any that comes later.
   */
  readonly lookUpToken: string;
  /** Stores `$2` under the token `$1` that a look-up has taken; changes no row where it has not. */
  readonly replaceToken: string;
  /** `$1` is an age in milliseconds: tokens older than that are deleted. */
  readonly pruneTokens: string;
}

/** What is stored for a token that was looked up before it was committed: it never will be. */
export const NOT_COMMITTED = "not committed";

/** A document's row, and the condition for those of a list of ids. */
const ROW = "id, doc, updated_at, version";
const IS_LISTED = "id = ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb)))";

export function postgresBatch(profile: EngineProfile): BatchStatements {
  const asJsonb = profile.documentType === "jsonb" ? "" : "::jsonb";
  const asStored = profile.documentType === "jsonb" ? "" : `::${profile.documentType}`;

  /** What was applied, in one row, stored under the token where there is one. */
  function outcome(withs: readonly string[], withToken: boolean): string {
    const all = [
      ...withs,
      "outcome AS (SELECT CASE WHEN count(*) = $2::bigint THEN NULL " +
        "ELSE coalesce(jsonb_agg(id), '[]')::text END AS applied FROM applied)",
    ];
    if (withToken) {
      all.push(
        "stored AS (INSERT INTO formdb_batches (token, applied, created_at) " +
          `SELECT $3::text, applied, ${NOW_MS} FROM outcome)`,
      );
    }
    return `WITH ${all.join(", ")} SELECT applied FROM outcome`;
  }

  function insertRows(collection: string, onConflict: string): string {
    return (
      `applied AS (INSERT INTO ${quote(collection)} AS t (id, doc, version, updated_at) ` +
      `SELECT e->>0, (e->1)${asStored}, 1, ${NOW_MS} FROM jsonb_array_elements($1::jsonb) AS e ` +
      `ON CONFLICT (id) ${onConflict} RETURNING t.id)`
    );
  }

  /** Rows are locked in the order of their ids first, so that two writers can't wait for each other. */
  function lock(collection: string, ids: string): string[] {
    if (!profile.locksInOrder) return [];
    return [
      `locked AS MATERIALIZED (SELECT id FROM ${quote(collection)} WHERE id = ANY (ARRAY(${ids})) ` +
        "ORDER BY id FOR UPDATE)",
    ];
  }

  return Object.freeze({
    insert: (collection: string, withToken: boolean): string =>
      outcome([insertRows(collection, "DO NOTHING")], withToken),

    insertAll: (collection: string): string =>
      `WITH stored AS (INSERT INTO formdb_batches (token, applied, created_at) VALUES ($2::text, NULL, ${NOW_MS})) ` +
      `INSERT INTO ${quote(collection)} (id, doc, version, updated_at) ` +
      `SELECT e->>0, (e->1)${asStored}, 1, ${NOW_MS} FROM jsonb_array_elements($1::jsonb) AS e`,

    upsert: (collection: string, withToken: boolean): string =>
      outcome(
        [
          insertRows(
            collection,
            "DO UPDATE SET doc = excluded.doc, version = t.version + 1, updated_at = excluded.updated_at",
          ),
        ],
        withToken,
      ),

    update: (collection: string, merge: MergeSpelling, withToken: boolean): string =>
      outcome(
        [
          "formdb_i AS MATERIALIZED (SELECT e->>0 AS id, e->1 AS patch FROM jsonb_array_elements($1::jsonb) AS e)",
          ...lock(collection, "SELECT id FROM formdb_i"),
          `applied AS (UPDATE ${quote(collection)} AS t SET doc = (${merge.expression})${asStored}, ` +
            `version = t.version + 1, updated_at = ${NOW_MS} FROM formdb_i AS i` +
            (profile.locksInOrder
              ? ", locked WHERE t.id = i.id AND t.id = locked.id"
              : " WHERE t.id = i.id") +
            " RETURNING t.id)",
        ],
        withToken,
      ),
    mergeTarget: `t.doc${asJsonb}`,
    mergePatch: "i.patch",

    delete: (collection: string, withToken: boolean): string => {
      const ids = "SELECT jsonb_array_elements_text($1::jsonb)";
      return outcome(
        [
          ...lock(collection, ids),
          `applied AS (DELETE FROM ${quote(collection)} AS t WHERE t.id ` +
            (profile.locksInOrder ? "IN (SELECT id FROM locked)" : `= ANY (ARRAY(${ids}))`) +
            " RETURNING t.id)",
        ],
        withToken,
      );
    },

    copy: (collection: string): string =>
      `COPY ${quote(collection)} (id, doc, updated_at) FROM STDIN (FORMAT ${profile.copyFormat})`,

    getOne: (collection: string): string => `SELECT ${ROW} FROM ${quote(collection)} WHERE id = $1`,
    getMany: (collection: string): string => `SELECT ${ROW} FROM ${quote(collection)} WHERE ${IS_LISTED}`,
    getText: (collection: string): string => `SELECT id, doc FROM ${quote(collection)} WHERE id = $1`,
    getTexts: (collection: string): string => `SELECT id, doc FROM ${quote(collection)} WHERE ${IS_LISTED}`,

    storeToken: `INSERT INTO formdb_batches (token, applied, created_at) VALUES ($1, $2, ${NOW_MS}) RETURNING created_at`,
    // The update changes nothing: it is what waits for the row's last writer and then gives the row.
    lookUpToken:
      `INSERT INTO formdb_batches AS b (token, applied, created_at) VALUES ($1, '${NOT_COMMITTED}', ${NOW_MS}) ` +
      "ON CONFLICT (token) DO UPDATE SET created_at = b.created_at RETURNING b.applied",
    replaceToken: `UPDATE formdb_batches SET applied = $2 WHERE token = $1 AND applied = '${NOT_COMMITTED}'`,
    // Those of groups from a journal live for longer.
    pruneTokens:
      `DELETE FROM formdb_batches WHERE created_at < ${NOW_MS} - $1::bigint AND ` +
      `(created_at < ${NOW_MS} - ${JOURNALLED_TOKEN_LIFE_MS}::bigint OR token NOT LIKE '${JOURNALLED_TOKEN_PREFIX}%')`,
  });
}
