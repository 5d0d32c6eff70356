import type { Field, Path } from "../../base/subject.ts";
import { RANK } from "../value-rank.ts";

/** How SQLite spells a value of a document or of a group. */
export interface SqliteTerm {
  /**
   * The value, as indexes hold it: NULL, a number (0 and 1 for booleans), or a text (JSON for arrays and objects). Of
   * one type it has the right order; `type` tells TRUE from 1 and an array from its text.
   */
  readonly value: string;
  /** What `json_type` says of it: NULL where there is nothing. */
  readonly type: string;
  /** The type's number in `RANK`. */
  readonly rank: string;
  /** The value, but '' for all arrays and objects. */
  readonly key: string;
  /** Its JSON text; NULL where there is nothing, and of an element of an array where that is a scalar. */
  readonly json: string;
  /** The canonical text of an array or object. */
  readonly canonical: string;
  /** What `json_each` is given to walk through it. */
  readonly walk: string;
  /** Whether it is the document's key. */
  readonly isKey: boolean;
}

/** The path as SQLite's JSON functions take it, as a string of SQL. */
export function jsonPath(path: Path): string {
  return spelled(path, (name) => JSON.stringify(name));
}

function spelled(path: Path, spell: (name: string) => string): string {
  const text = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${spell(part)}`));
  return `'$${text.join("").replaceAll("'", "''")}'`;
}

const PLAIN_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * The same for `json_each`, which spells the paths of what it finds: it takes a sixth less time where plain names have no
 * quotes. Indexes hold the quoted form.
 */
function pathToWalk(path: Path): string {
  return spelled(path, (name) => (PLAIN_NAME.test(name) ? name : JSON.stringify(name)));
}

/** The rank of what an expression gives the JSON type of. */
function rankOfType(type: string): string {
  return (
    `CASE ${type} WHEN 'text' THEN ${RANK.string} WHEN 'integer' THEN ${RANK.number} ` +
    `WHEN 'real' THEN ${RANK.number} WHEN 'true' THEN ${RANK.boolean} WHEN 'false' THEN ${RANK.boolean} ` +
    `WHEN 'array' THEN ${RANK.array} WHEN 'object' THEN ${RANK.object} ELSE ${RANK.null} END`
  );
}

/** The one place where a path of documents is spelled: filters, orderings and indexes all come here. */
export function termOf(path: Path): SqliteTerm {
  return path.length === 1 && path[0] === "id" ? KEY_TERM : termIn("doc", path);
}

/** What is at a path from an element of an array: from the row that `jsonb_each` has given for it. */
export function elementTerm(row: string, path: Path): SqliteTerm {
  // A scalar is no JSON text here, which the JSON functions would take it for.
  const composite = `(CASE WHEN ${row}.type IN ('array', 'object') THEN ${row}.value END)`;
  if (path.length > 0) return termIn(composite, path);
  const json = `json(${composite})`;
  const walk = `CASE WHEN ${row}.type = 'text' THEN json_quote(${row}.value) ELSE ${composite} END`;
  return { ...jsonTerm(`${row}.value`, `${row}.type`, json), walk };
}

/** What is at a path in the JSON that `root` spells. */
export function termIn(root: string, path: Path): SqliteTerm {
  const place = jsonPath(path);
  return {
    ...jsonTerm(`(${root} ->> ${place})`, `json_type(${root}, ${place})`, `(${root} -> ${place})`),
    walk: `${root}, ${pathToWalk(path)}`,
  };
}

function jsonTerm(value: string, type: string, json: string): Omit<SqliteTerm, "walk"> {
  return {
    value,
    type,
    rank: `(${rankOfType(type)})`,
    key: `(CASE WHEN ${type} IN ('array', 'object') THEN '' ELSE ${value} END)`,
    json,
    canonical: `formdb_canonical(${json})`,
    isKey: false,
  };
}

/** What is at a path, or the text there in lower or upper case: SQLite's functions change the letters from A to Z only. */
export function fieldTerm({ type, path }: Field, at: typeof termOf = termOf): SqliteTerm {
  const of = at(path);
  if (type === "path") return of;
  return scalarTerm(
    of.isKey ? `${type}(id)` : `(CASE WHEN ${of.type} = 'text' THEN ${type}(${of.value}) END)`,
  );
}

/** The term of a text, a number or NULL, as SQLite itself has them. */
export function scalarTerm(value: string): SqliteTerm {
  const type = `typeof(${value})`;
  const json = `json_quote(${value})`;
  return {
    value,
    type,
    rank: `(${rankOfType(type)})`,
    key: value,
    json,
    canonical: value,
    walk: json,
    isKey: false,
  };
}

export const KEY_TERM: SqliteTerm = Object.freeze({
  value: "id",
  type: "'text'",
  rank: `(${RANK.string})`,
  key: "id",
  json: "json_quote(id)",
  canonical: "id",
  walk: "json_quote(id)",
  isKey: true,
});
