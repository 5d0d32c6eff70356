/**
 * The statements that write a whole group of operations. Each takes few parameters whatever the group's
 * size, so few texts are ever prepared.
 *
 * Parameter 1 is always a JSON array with one element an operation, sorted by id:
 * - insert, upsert: `[id, document]`
 * - update: `[id, patch]`, the patch an RFC 7396 merge patch
 * - delete: `id`
 *
 * Parameter 2 is the batch token, or null for none. Every statement returns one row an operation that it
 * applied, with the id as its only column: ids that an insert found taken, or that an update or delete did
 * not find, are missing from the rows. Where `tokens` holds, a token that is not null is stored in
 * `formdb_batches` by the same statement (or transaction), with the ids that were applied.
 */
export interface BatchDialect {
  insert(collection: string): string;
  upsert(collection: string): string;
  update(collection: string): string;
  delete(collection: string): string;
  /** Reads many documents: parameter 1 is a JSON array of ids; rows are `[id, document as JSON text]`. */
  getMany(collection: string): string;
  /** Parameter 1 is a token; a row `[applied ids as a JSON array]` if it was committed, else no row. */
  readonly lookUpToken: string;
  /** Parameter 1 is an age in seconds: tokens older than that are deleted. */
  readonly pruneTokens: string;
}
