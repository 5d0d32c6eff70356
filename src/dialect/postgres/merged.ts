import type { PlainFragment } from "../fragment.ts";

/**
 * The statement that answers a statement for many sets of values at once: `unnest` makes a row of each set, numbered by
 * `WITH ORDINALITY`, and `LATERAL` runs the statement for each row. Each value is an array then, one element a set, and each
 * row ends in the number of its set, from 1. A set's rows keep their order: a subquery with an order of its own is run
 * for one outer row after the other. Undefined for a statement without values, and for one with arrays among them, which
 * `unnest` would take apart.
 *
 * No collection's name begins with `formdb_`, so nothing within the statement hides the values.
 */
export function mergedText(pieces: PlainFragment): string | undefined {
  const types: string[] = [];
  let statement = "";
  for (let i = 0; i < pieces.length; i++) {
    const piece = pieces[i]!;
    if (typeof piece === "string") {
      statement += piece;
      continue;
    }
    const type = /^::([a-z]+)(?![a-z[])/.exec(String(pieces[i + 1]))?.[1];
    if (type === undefined) return undefined;
    statement += `formdb_calls.v${types.push(type)}`;
  }
  if (types.length === 0) return undefined;
  // A subquery hides how many values there are from the planner: else it would plan each execution anew, as every plan made for
  // few values looks cheaper than the one for any number.
  const arrays = types.map((type, i) => `(SELECT $${i + 1}::${type}[])`).join(", ");
  const names = types.map((_, i) => `v${i + 1}`).join(", ");
  return (
    `SELECT formdb_rows.*, formdb_calls.n FROM unnest(${arrays}) WITH ORDINALITY AS formdb_calls(${names}, n), ` +
    `LATERAL (${statement}) AS formdb_rows`
  );
}
