import type { JsonValue } from "../../base/document.ts";
import type { Path } from "../../base/subject.ts";
import type {
  ChangeableType,
  ComputedChange,
  ContainerChange,
  DocumentChange,
  LeafChange,
} from "../expression-dialect.ts";
import { type Fragment, join, sql } from "../fragment.ts";
import { computed } from "./arithmetic.ts";
import { isElement } from "./conditions.ts";
import { jsonPath, termOf } from "./terms.ts";

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

/** The value of a leaf, from the document as it was. */
function leaf(change: LeafChange | ComputedChange): Fragment {
  if (change.kind === "compute") return computed(change.path, change.value);
  const { path, kind, operand } = change;
  const value = { operand, encode: (json: JsonValue): string => JSON.stringify(json) };
  const place = `doc, ${jsonPath(path)}`;
  switch (kind) {
    case "set":
      return sql`jsonb(${value})`;
    case "inc":
      return sum(path, operand);
    case "push":
      return sql`CASE json_type(${place}) WHEN 'array' THEN jsonb_insert(jsonb_extract(${place}), '$[#]', jsonb(${value})) ELSE jsonb('[' || ${value} || ']') END`;
    case "pull": {
      const element =
        "CASE WHEN e.type IN ('true', 'false') THEN e.type WHEN e.type IN ('array', 'object') THEN e.value ELSE json_quote(e.value) END";
      const kept = sql`SELECT group_concat(${element}, ',' ORDER BY e.key) FROM json_each(${place}) AS e WHERE NOT (${isElement(operand)})`;
      return sql`CASE json_type(${place}) WHEN 'array' THEN jsonb('[' || coalesce((${kept}), '') || ']') END`;
    }
    default:
      return kind satisfies never;
  }
}

/** The number that is there, or 0. */
const numberAt = (path: Path): string => `coalesce(${termOf(path).value}, 0)`;

/**
 * What is added goes as JSON text, so that whole numbers stay such. SQLite adds those as 64-bit integers, which beyond 2^53
 * are no doubles.
 */
function sum(path: Path, operand: number): Fragment {
  const value = { operand, encode: (json: JsonValue): string => JSON.stringify(json) };
  const size = { operand, encode: (json: JsonValue): number => Math.abs(json as number) };
  const there = numberAt(path);
  return sql`CASE WHEN abs(${there}) + ${size} <= ${String(Number.MAX_SAFE_INTEGER)} THEN ${there} + json_extract(${value}, '$') ELSE jsonb(formdb_arithmetic('+', json_quote(${there}), ${value}, NULL, NULL)) END`;
}

/** A number goes as a double. */
export function staysFinite(path: Path, operand: number): Fragment {
  return sql`abs(${numberAt(path)} + ${{ operand, encode: (json: JsonValue) => json }}) < 9e999`;
}

const TYPES: Readonly<Record<ChangeableType, string>> = Object.freeze({
  number: "'integer', 'real'",
  array: "'array'",
  object: "'object'",
});

export function canChange(path: Path, type: ChangeableType): Fragment {
  return [`coalesce(json_type(doc, ${jsonPath(path)}), 'null') IN ('null', ${TYPES[type]})`];
}

/** The JSON text was checked when it was taken. */
export function document(operand: number): Fragment {
  return sql`jsonb(${{ operand, encode: (json: JsonValue) => json }})`;
}

export function versionIs(operand: number): Fragment {
  return sql`version = ${{ operand, encode: (version: JsonValue) => version }}`;
}

/** There is one writer. */
export function lock(): string {
  return "";
}

/** The document with its containers made sure of and then its leaves set, in nested calls of `jsonb_set`. */
export function change({ containers, leaves, removals }: DocumentChange): Fragment {
  const places: Fragment[] = [
    ...containers.map((each) => sql`${jsonPath(each.path)}, ${container(each)}`),
    ...leaves.filter(({ kind }) => kind !== "pull").map((each) => sql`${jsonPath(each.path)}, ${leaf(each)}`),
  ];
  let document: Fragment = ["doc"];
  for (let i = 0; i < places.length; i += PLACES_PER_CALL) {
    document = sql`jsonb_set(${document}, ${join(places.slice(i, i + PLACES_PER_CALL), ", ")})`;
  }
  for (const each of leaves.filter(({ kind }) => kind === "pull")) {
    document = sql`jsonb_replace(${document}, ${jsonPath(each.path)}, ${leaf(each)})`;
  }
  if (removals.length > 0) document = sql`jsonb_remove(${document}, ${removals.map(jsonPath).join(", ")})`;
  return document;
}
