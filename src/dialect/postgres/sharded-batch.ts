import { quote } from "../quote.ts";
import type { MergeSpelling } from "./merge-patch.ts";
import { NOW_MS } from "./names.ts";

/**
 * The statements that write a group of operations where documents are spread over shards. Each names the ids of
 * its documents by values of its own, from which the engine learns to which shards it has to go: to one, if all ids
 * are of one. Each gives the ids that were applied, a row each.
 */
export interface ShardedStatements {
  /** Its values are id, document, id, document and so on. */
  insert(collection: string, rows: number): string;
  /** The same. */
  upsert(collection: string, rows: number): string;
  /** `$1` is a JSON object of patches by id, `$2` an array of the ids. `merge` was spelled for the target and the patch below. */
  update(collection: string, merge: MergeSpelling): string;
  readonly mergeTarget: string;
  readonly mergePatch: string;
  /** `$1` is an array of ids. */
  delete(collection: string): string;
}

function insertRows(collection: string, rows: number, onConflict: string): string {
  const values = Array.from({ length: rows }, (_, i) => `($${2 * i + 1}, $${2 * i + 2}, 1, ${NOW_MS})`);
  return (
    `INSERT INTO ${quote(collection)} AS t (id, doc, version, updated_at) VALUES ${values.join(", ")} ` +
    `ON CONFLICT (id) ${onConflict} RETURNING t.id`
  );
}

export const SHARDED_BATCH: ShardedStatements = Object.freeze({
  insert: (collection: string, rows: number): string => insertRows(collection, rows, "DO NOTHING"),
  upsert: (collection: string, rows: number): string =>
    insertRows(
      collection,
      rows,
      "DO UPDATE SET doc = excluded.doc, version = t.version + 1, updated_at = excluded.updated_at",
    ),
  update: (collection: string, merge: MergeSpelling): string =>
    `UPDATE ${quote(collection)} AS t SET doc = ${merge.expression}, version = t.version + 1, updated_at = ${NOW_MS} ` +
    "WHERE t.id = ANY ($2::text[]) RETURNING t.id",
  mergeTarget: "t.doc",
  mergePatch: "($1::jsonb->t.id)",
  delete: (collection: string): string =>
    `DELETE FROM ${quote(collection)} AS t WHERE t.id = ANY ($1::text[]) RETURNING t.id`,
});
