import type { DocumentPath } from "../ddl-dialect.ts";
import { RANK } from "../value-rank.ts";

/** How PostgreSQL spells what is at a place of a document. */
export interface PostgresTerm {
  /** The type's number in `RANK`, an `integer`. */
  readonly rank: string;
  /** What numbers are ordered by, and booleans as 0 and 1; 0 for the others. A `numeric`. */
  readonly number: string;
  /** What strings are ordered by; '' for the others. A `text` in the order of code points. */
  readonly text: string;
  /** The start of that, which indexes hold: entries of an index must be short. */
  readonly prefix: string;
  /** Its JSON, a `jsonb`; NULL where there is nothing, but also a JSON null. */
  readonly json: string;
  /**
   * What a unique index holds besides: NULL where no scalar is, and of a text that it does not hold as a whole a digest.
   * Short, since an index's definition has to fit into a row of the catalogue, 8 160 bytes before PostgreSQL 18.
   */
  readonly guard: string;
  /** Whether it is the document's key. */
  readonly isKey: boolean;
}

/**
 * How many characters of a text an index holds. PostgreSQL refuses rows whose index entry is longer than 2 704 bytes;
 * so many characters, of at most 4 bytes, of 8 paths stay below that, with rank, number and guard of each.
 */
export const INDEXED_CHARACTERS = 64;

/** The start of a text as `left` gives it. */
export function prefixOf(text: string): string {
  return text.length <= INDEXED_CHARACTERS ? text : Array.from(text).slice(0, INDEXED_CHARACTERS).join("");
}

/** A string of SQL. Only for paths and other things of the statement itself, never for values. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Several names as the text of an array. */
function textArray(names: readonly string[]): string {
  return literal(`{${names.map((name) => `"${name.replace(/["\\]/g, "\\$&")}"`).join(",")}}`);
}

/** Names for which `#>` looks into arrays too. */
const INDEX_LIKE = /^\s*[+-]?\d/;

/**
 * The JSON at a path, and the same as text. `->` and `#>` are quick, but `->` with a number takes a scalar for an
 * array of one, and `#>` takes the name "0" for an index; a strict JSON path does neither.
 */
function spell(path: DocumentPath): { readonly json: string; readonly text: string } {
  if (path.length === 1 && typeof path[0] === "string") {
    return { json: `(doc -> ${literal(path[0])})`, text: `(doc ->> ${literal(path[0])})` };
  }
  if (path.every((part): part is string => typeof part === "string" && !INDEX_LIKE.test(part))) {
    return { json: `(doc #> ${textArray(path)})`, text: `(doc #>> ${textArray(path)})` };
  }
  const steps = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${JSON.stringify(part)}`));
  const json = `jsonb_path_query_first(doc, ${literal(`strict $${steps.join("")}`)}, '{}', true)`;
  return { json, text: `(${json} #>> '{}')` };
}

/** The last letters of the names that `jsonb_typeof` gives, in the order of `RANK`; `null` has none of them. */
const LAST_LETTERS = "nrgyt";

/**
 * The term of a `jsonb` expression. The rank asks for the type once: a `CASE` that compares it with each name would for
 * each (twice the time of a scan), and the short `CASE x WHEN …` reaches the workers of Citus with another meaning.
 */
export function jsonTerm(json: string, text: string = `(${json} #>> '{}')`): PostgresTerm {
  const type = `jsonb_typeof(${json})`;
  const string = `CASE WHEN ${type} = 'string' THEN ${text} ELSE '' END`;
  return {
    rank: `coalesce(strpos(${literal(LAST_LETTERS)}, right(${type}, 1)), 0)`,
    number:
      `(CASE WHEN ${type} = 'number' THEN ${json}::numeric ` +
      `WHEN ${json} = 'true' THEN 1::numeric ELSE 0::numeric END)`,
    text: `((${string}) COLLATE "C")`,
    prefix: `(left(${string}, ${INDEXED_CHARACTERS}) COLLATE "C")`,
    json,
    guard:
      `(CASE WHEN ${type} = 'string' AND length(${text}) > ${INDEXED_CHARACTERS} THEN md5(${text}) ` +
      `WHEN ${type} = ANY ('{string,number,boolean}') THEN '' END)`,
    isKey: false,
  };
}

/** The one place where a path is spelled: filters, orderings and indexes all come here. */
export function termOf(path: DocumentPath): PostgresTerm {
  if (path.length === 1 && path[0] === "id") return ID;
  const { json, text } = spell(path);
  return jsonTerm(json, text);
}

const ID: PostgresTerm = Object.freeze({
  rank: `(${RANK.string})`,
  number: "0::numeric",
  text: "id",
  prefix: "id",
  json: "to_jsonb(id)",
  guard: "(1)",
  isKey: true,
});
