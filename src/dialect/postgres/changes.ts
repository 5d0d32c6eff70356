import type { JsonValue } from "../../base/document.ts";
import type { Path } from "../../base/subject.ts";
import type {
  ChangeableType,
  ComputedChange,
  ContainerChange,
  DocumentChange,
  LeafChange,
} from "../expression-dialect.ts";
import { type Fragment, sql } from "../fragment.ts";
import { computed, hasFiniteSum, numberAsJson } from "./arithmetic.ts";
import { literal } from "./names.ts";
import { termOf } from "./terms.ts";

/** A path for `jsonb_set`; by then each container on the way is of the kind that its next step needs. */
function setPath(path: Path): string {
  return `ARRAY[${path.map((part) => literal(String(part))).join(", ")}]`;
}

/** What is at the place if it is of the kind that is needed, else an empty one. */
function container({ path, kind, length }: ContainerChange): string {
  const { json } = termOf(path);
  const type = `jsonb_typeof(${json})`;
  if (kind === "object") return `CASE WHEN ${type} = 'object' THEN ${json} ELSE '{}'::jsonb END`;
  const nulls = (count: string): string => `('[' || substr(repeat(',null', ${count}), 2) || ']')::jsonb`;
  return (
    `CASE WHEN ${type} IS DISTINCT FROM 'array' THEN ${nulls(String(length))} ` +
    `ELSE ${json} || ${nulls(`${length} - jsonb_array_length(${json})`)} END`
  );
}

/** The value of a leaf, from the document as it was. */
function leaf(change: LeafChange | ComputedChange): Fragment {
  if (change.kind === "compute") return computed(change.path, change.value);
  const { path, kind, operand } = change;
  const value = { operand, encode: (json: JsonValue): string => JSON.stringify(json) };
  const { json, type, number } = termOf(path);
  switch (kind) {
    case "set":
      return sql`${value}::jsonb`;
    case "inc":
      return numberAsJson(sql`${number}::float8 + ${value}::float8`);
    case "push":
      return sql`(CASE WHEN ${type} = 'array' THEN ${json} ELSE '[]'::jsonb END || jsonb_build_array(${value}::jsonb))`;
    case "pull": {
      const elements = `jsonb_array_elements(${json}) WITH ORDINALITY AS e(value, place)`;
      const kept = sql`SELECT coalesce(jsonb_agg(e.value ORDER BY e.place), '[]') FROM ${elements} WHERE e.value <> ${value}::jsonb`;
      return sql`CASE WHEN ${type} = 'array' THEN (${kept}) ELSE 'null'::jsonb END`;
    }
    default:
      return kind satisfies never;
  }
}

/** Doubles are added as JavaScript adds them, where PostgreSQL would not fail. */
export function staysFinite(path: Path, operand: number): Fragment {
  const value = { operand, encode: (json: JsonValue): string => JSON.stringify(json) };
  return hasFiniteSum(`${termOf(path).number}::float8`, sql`${value}::float8`);
}

export function canChange(path: Path, type: ChangeableType): Fragment {
  return [`coalesce(${termOf(path).type}, 'null') = ANY ('{"null",${type}}')`];
}

/** The JSON text was checked when it was taken. */
export function document(operand: number): Fragment {
  return sql`${{ operand, encode: (json: JsonValue) => json }}::jsonb`;
}

export function versionIs(operand: number): Fragment {
  return sql`version = ${{ operand, encode: (version: JsonValue) => version }}::bigint`;
}

/** What others hold is passed over, or waited for. */
export function lock(skipLocked: boolean): string {
  return skipLocked ? " FOR UPDATE SKIP LOCKED" : " FOR UPDATE";
}

/** The document with its containers made sure of and then its leaves set, in nested calls of `jsonb_set`. */
export function change({ containers, leaves, removals }: DocumentChange): Fragment {
  let document: Fragment = ["doc"];
  for (const each of containers) {
    document = sql`jsonb_set(${document}, ${setPath(each.path)}, ${container(each)})`;
  }
  for (const each of leaves) {
    const made = each.kind === "pull" ? ", FALSE" : "";
    document = sql`jsonb_set(${document}, ${setPath(each.path)}, ${leaf(each)}${made})`;
  }
  for (const path of removals) document = sql`(${document} #- ${setPath(path)})`;
  return document;
}
