import { uuidV4 } from "../../base/uuid.ts";
import { shardOf } from "./hash-text.ts";
import { literal } from "./names.ts";

/**
 * What FormDB asks of Citus. Collections are distributed by `id` and `formdb_batches` by token, in one co-location group:
 * equal parts of both are on one node. A token is made so that its hash lies in the part of its group's ids: then a group
 * of one part, and its token, are committed by one node alone, without a second phase.
 */

/** How many parts the tokens' table has, and with it every collection that is made. */
export const SHARD_COUNT =
  "SELECT count(*)::int FROM pg_dist_shard WHERE logicalrelid = 'formdb_batches'::regclass";

const COLLECTIONS =
  "SELECT p.colocationid, p.logicalrelid FROM pg_dist_partition p JOIN pg_catalog.pg_class c ON c.oid = p.logicalrelid " +
  "WHERE p.partmethod = 'h' AND c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = current_schema()) " +
  "AND c.relname NOT LIKE 'formdb\\_%' " +
  "AND (SELECT string_agg(a.attname::text, ',' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a " +
  "WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) = 'id,doc,version,updated_at'";

/**
 * A collection of the group in which most collections are, if the tokens are in a group with none: they were distributed
 * apart before FormDB knew better. No row otherwise, and on a worker, where nothing can be done about it.
 */
export const TOKENS_APART_FROM: string =
  `WITH c AS (${COLLECTIONS}) SELECT min(c.logicalrelid::regclass::text) FROM c WHERE citus_is_coordinator() AND NOT EXISTS ` +
  "(SELECT FROM c JOIN pg_dist_partition b USING (colocationid) WHERE b.logicalrelid = 'formdb_batches'::regclass) " +
  "GROUP BY c.colocationid ORDER BY count(*) DESC LIMIT 1";

/** Moves the tokens to the nodes of this collection's documents; those that are there stay. Others wait meanwhile. */
export function moveTokensTo(collection: string): string {
  return `SELECT alter_distributed_table('formdb_batches', colocate_with := ${literal(collection)})`;
}

/**
 * Has the open transaction committed in two phases; it inserts nothing and asks no node. Citus does that by itself when a second node
 * is written to, but not where a read of the transaction came to that node before: then each node commits for itself.
 */
export const IN_TWO_PHASES =
  "INSERT INTO formdb_batches (token, applied, created_at) SELECT '', NULL, 0 WHERE false";

/** Finishes at once what nodes have prepared and were not heard to commit. Only for roles that were granted it. */
export const FINISH_COMMITS = "SELECT recover_prepared_transactions()";

/** A token for a group, in the part of this id. Takes as many tries as there are parts, of half a microsecond each. */
export function tokenBeside(id: string, prefix: string, shards: number): string {
  const shard = shardOf(id, shards);
  for (;;) {
    const token = prefix + uuidV4();
    if (shardOf(token, shards) === shard) return token;
  }
}
