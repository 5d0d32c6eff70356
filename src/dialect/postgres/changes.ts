import type { JsonValue } from "../../base/document.ts";
import type { DocumentPath } from "../ddl-dialect.ts";
import type { ContainerChange, DocumentChange } from "../expression-dialect.ts";
import { type Fragment, sql } from "../fragment.ts";
import { literal, termOf } from "./terms.ts";

/** A path for `jsonb_set`; by then each container on the way is of the kind that its next step needs. */
function setPath(path: DocumentPath): string {
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

/** The document with its containers made sure of and then its leaves set, in nested calls of `jsonb_set`. */
export function change({ containers, leaves }: DocumentChange): Fragment {
  let document: Fragment = ["doc"];
  for (const each of containers) {
    document = sql`jsonb_set(${document}, ${setPath(each.path)}, ${container(each)})`;
  }
  for (const { path, operand } of leaves) {
    const value = { operand, encode: (json: JsonValue): string => JSON.stringify(json) };
    document = sql`jsonb_set(${document}, ${setPath(path)}, ${value}::jsonb)`;
  }
  return document;
}
