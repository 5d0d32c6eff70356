/**
 * The algebra of merging writes of one document, on JSON values.
 *
 * A merge patch (RFC 7396) that is an object sets members: to a value, to nothing where it has null, and where it
 * has an object, to the merge of that object into what is there (an object with nothing in it, where there is none
 * or something else). Written `t · p` for a document `t` and a patch `p`, we look for the patch `pq` with
 *
 *     t · pq = (t · p) · q     for every t.
 *
 * Member by member, with `a` in `p` and `b` in `q`:
 *
 * - only one has the member: `pq` has it as it is, nulls inside of it included, for they remove;
 * - `b` is no object (a scalar, an array, null): it decides alone, whatever `a` was;
 * - both are objects: their composition, by the same rules;
 * - `b` is an object and `a` is none: after `p` the member is missing or no object, so `q` makes an object of `b`
 *   alone. But no patch can say "this object and nothing else": an object in a patch merges into one that `t` may
 *   have. **There is no such `pq`.**
 *
 * Onto a whole document (of an insert or upsert) a patch can always be applied: the document is known.
 *
 * Beside whether a merge is possible it matters what it hides. A merge is *additive* where every value of both
 * operations is in what comes out, so that whoever gets it sees all that there could be to refuse. It *overwrites*
 * where a value of the first is gone.
 */

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  [name: string]: Json;
}

/** What a merge of two operations would be. */
export type Merging = "additive" | "overwriting" | "impossible";

/** What it would be to compose two patches. */
export function patchOntoPatch(first: JsonObject, second: JsonObject): Merging {
  let merging: Merging = "additive";
  for (const name of Object.keys(second)) {
    if (!Object.hasOwn(first, name)) continue;
    const a = first[name]!;
    const b = second[name]!;
    if (isObject(b)) {
      if (!isObject(a)) return "impossible";
      const inner = patchOntoPatch(a, b);
      if (inner === "impossible") return inner;
      if (inner === "overwriting") merging = inner;
    } else if (!isSameScalar(a, b)) merging = "overwriting";
  }
  return merging;
}

/** Makes the first patch the composition of both. They must compose. Parts of the second become parts of it. */
export function composeInto(first: JsonObject, second: JsonObject): void {
  for (const name of Object.keys(second)) {
    const a = member(first, name);
    const b = second[name]!;
    if (isObject(a) && isObject(b)) composeInto(a, b);
    else set(first, name, b);
  }
}

/** What it would be to apply a patch to a whole document: never impossible. */
export function patchOntoDocument(document: JsonObject, patch: JsonObject): Merging {
  for (const name of Object.keys(patch)) {
    const a = member(document, name);
    if (a === undefined) continue;
    const b = patch[name]!;
    if (isObject(a) && isObject(b)) {
      if (patchOntoDocument(a, b) === "overwriting") return "overwriting";
    } else if (b === null || !isSameScalar(a, b)) return "overwriting";
  }
  return "additive";
}

/** Applies a patch to a document, in place. Parts of the patch become parts of it. */
export function applyInto(document: JsonObject, patch: JsonObject): void {
  for (const name of Object.keys(patch)) {
    const b = patch[name]!;
    if (b === null) delete document[name];
    else if (isObject(b)) {
      const a = member(document, name);
      if (isObject(a)) applyInto(a, b);
      else {
        const made: JsonObject = {};
        applyInto(made, b);
        set(document, name, made);
      }
    } else set(document, name, b);
  }
}

/** The object that a JSON text is, or undefined where a number in it would not be written again as it was. */
export function parseObject(json: string): JsonObject | undefined {
  const value = JSON.parse(json) as Json;
  return isObject(value) && JSON.stringify(value) === json ? value : undefined;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Arrays count as different: to compare them costs more than to send one operation more. */
function isSameScalar(a: Json, b: Json): boolean {
  return a === b;
}

function member(object: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function set(object: JsonObject, name: string, value: Json): void {
  if (name !== "__proto__") object[name] = value;
  else Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}
