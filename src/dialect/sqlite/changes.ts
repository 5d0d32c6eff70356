import type { JsonValue } from "../../base/document.ts";
import type { ContainerChange, DocumentChange } from "../expression-dialect.ts";
import { type Fragment, join, sql } from "../fragment.ts";
import { jsonPath } from "./terms.ts";

/** How many places one call of `jsonb_set` sets; SQLite bounds the arguments of a function. */
const PLACES_PER_CALL = 40;

/** What is at the place if it is of the kind that is needed, else an empty one. */
function container({ path, kind, length }: ContainerChange): string {
  const place = `doc, ${jsonPath(path)}`;
  const kept = `jsonb_extract(${place})`;
  if (kind === "object") return `CASE json_type(${place}) WHEN 'object' THEN ${kept} ELSE jsonb('{}') END`;
  const nulls = (count: string): string => `replace(hex(zeroblob(${count})), '00', ',null')`;
  const text = `json_extract(${place})`;
  const filled = (elements: string, count: string): string =>
    `jsonb('[' || ltrim(${elements} || ${nulls(count)}, ',') || ']')`;
  return (
    `CASE WHEN json_type(${place}) IS NOT 'array' THEN ${filled("''", String(length))} ` +
    `WHEN json_array_length(${place}) >= ${length} THEN ${kept} ` +
    `ELSE ${filled(`substr(${text}, 2, length(${text}) - 2)`, `${length} - json_array_length(${place})`)} END`
  );
}

/** The document with its containers made sure of and then its leaves set, in nested calls of `jsonb_set`. */
export function change({ containers, leaves }: DocumentChange): Fragment {
  const places: Fragment[] = [
    ...containers.map((each) => sql`${jsonPath(each.path)}, ${container(each)}`),
    ...leaves.map(({ path, operand }) => {
      const value = { operand, encode: (json: JsonValue): string => JSON.stringify(json) };
      return sql`${jsonPath(path)}, jsonb(${value})`;
    }),
  ];
  let document: Fragment = ["doc"];
  for (let i = 0; i < places.length; i += PLACES_PER_CALL) {
    document = sql`jsonb_set(${document}, ${join(places.slice(i, i + PLACES_PER_CALL), ", ")})`;
  }
  return document;
}
