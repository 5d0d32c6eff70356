/**
 * JSON Merge Patch (RFC 7396) in SQL. A patch without nested objects and nulls is `||`. Up to a small depth of
 * nesting the merge is spelled out, one subquery a level, which was measured as twice as fast as a function;
 * deeper patches go to a recursive function, where the engine has them.
 */

import type { EngineProfile } from "./profiles.ts";

/** The depths that are spelled out; a patch of another depth uses the next larger. */
const SPELLED_DEPTHS = [1, 2, 4] as const;
/** Where there is no function: planning the deepest takes about a tenth of a second. */
const SPELLED_WITHOUT_FUNCTION = [1, 2, 4, 16, 64] as const;

/** The name of the function that merges patches of any depth. */
export const MERGE_FUNCTION = "formdb_merge_patch";

/** How a group's patches are merged: the name of the way (one statement each) and the expression. */
export interface MergeSpelling {
  readonly name: string;
  readonly expression: string;
}

/**
 * What patches need: 0 where `||` does it (no nested object and no null), else how deep objects nest in
 * objects, arrays not counted. Looks at the JSON text only; what it gives is never too small.
 */
export function patchDepth(json: string): number {
  if (json.indexOf("{", 1) === -1 && !json.includes("null")) return 0;
  let depth = 0;
  let deepest = 1;
  let arrays = 0;
  for (let i = 0; i < json.length; i++) {
    switch (json.charCodeAt(i)) {
      case 0x22: // a string: go to its end
        for (i++; json.charCodeAt(i) !== 0x22; i++) if (json.charCodeAt(i) === 0x5c) i++;
        break;
      case 0x5b:
        arrays++;
        break;
      case 0x5d:
        arrays--;
        break;
      case 0x7b:
        if (arrays === 0 && ++depth > deepest) deepest = depth;
        break;
      case 0x7d:
        if (arrays === 0) depth--;
        break;
    }
  }
  return deepest;
}

/** How to merge patches of this depth; undefined where the engine has no way. `target` is an object. */
export function spellMerge(
  target: string,
  patch: string,
  depth: number,
  { functions, nestsSubqueries }: Pick<EngineProfile, "functions" | "nestsSubqueries">,
): MergeSpelling | undefined {
  if (depth === 0) return { name: "flat", expression: `${target} || ${patch}` };
  const depths = functions ? SPELLED_DEPTHS : SPELLED_WITHOUT_FUNCTION;
  const spelled = nestsSubqueries ? depths.find((known) => known >= depth) : undefined;
  if (spelled !== undefined)
    return { name: `depth${spelled}`, expression: mergeLevel(target, patch, spelled) };
  if (functions) return { name: "deep", expression: `${MERGE_FUNCTION}(${target}, ${patch})` };
  return undefined;
}

/** Makes the function, in the current schema. */
export const CREATE_MERGE_FUNCTION: string = [
  `CREATE OR REPLACE FUNCTION ${MERGE_FUNCTION}(target jsonb, patch jsonb) RETURNS jsonb`,
  "LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $merge$ BEGIN",
  "IF jsonb_typeof(patch) <> 'object' THEN RETURN patch; END IF;",
  "IF jsonb_typeof(target) IS DISTINCT FROM 'object' THEN target := '{}'; END IF;",
  `RETURN ${mergeLevel("target", "patch", 1, `${MERGE_FUNCTION}(a0.value, b0.value)`)};`,
  "END $merge$",
].join(" ");

function mergeLevel(target: string, patch: string, depth: number, deeper?: string, level = 0): string {
  const old = `a${level}`;
  const change = `b${level}`;
  const inner =
    deeper ??
    (depth > 1
      ? mergeLevel(
          `CASE WHEN jsonb_typeof(${old}.value) = 'object' THEN ${old}.value ELSE '{}' END`,
          `${change}.value`,
          depth - 1,
          undefined,
          level + 1,
        )
      : undefined);
  return (
    `(SELECT coalesce(jsonb_object_agg(coalesce(${old}.key, ${change}.key), CASE ` +
    `WHEN ${change}.key IS NULL THEN ${old}.value ` +
    (inner === undefined ? "" : `WHEN jsonb_typeof(${change}.value) = 'object' THEN ${inner} `) +
    `ELSE ${change}.value END), '{}') ` +
    `FROM jsonb_each(${target}) ${old} FULL JOIN jsonb_each(${patch}) ${change} ON ${old}.key = ${change}.key ` +
    `WHERE ${change}.value IS NULL OR jsonb_typeof(${change}.value) <> 'null')`
  );
}
