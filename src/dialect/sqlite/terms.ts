import type { DocumentPath } from "../ddl-dialect.ts";
import { RANK } from "../value-rank.ts";

/** How SQLite spells what is at a place of a document. */
export interface SqliteTerm {
  /** The type's number in `RANK`. */
  readonly rank: string;
  /** What values of one type are told apart and ordered by: 0 and 1 for booleans; all arrays and objects are ''. */
  readonly key: string;
  /** Its JSON text; NULL where there is nothing. */
  readonly json: string;
  /** The canonical text of an array or object. */
  readonly canonical: string;
  /** `doc` and the path in it, as arguments of a JSON function; undefined for the document's key. */
  readonly place: string | undefined;
}

/** The path as SQLite's JSON functions take it, as a string of SQL. */
export function jsonPath(path: DocumentPath): string {
  const text = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${JSON.stringify(part)}`));
  return `'$${text.join("").replaceAll("'", "''")}'`;
}

/** The rank of what an expression gives the JSON type of. */
export function rankOfType(type: string): string {
  return (
    `CASE ${type} WHEN 'text' THEN ${RANK.string} WHEN 'integer' THEN ${RANK.number} ` +
    `WHEN 'real' THEN ${RANK.number} WHEN 'true' THEN ${RANK.boolean} WHEN 'false' THEN ${RANK.boolean} ` +
    `WHEN 'array' THEN ${RANK.array} WHEN 'object' THEN ${RANK.object} ELSE ${RANK.null} END`
  );
}

/** The key of what an expression gives the JSON type and the value of. */
export function keyOfType(type: string, value: string): string {
  return `CASE ${type} WHEN 'array' THEN '' WHEN 'object' THEN '' ELSE ${value} END`;
}

/** The one place where a path is spelled: filters, orderings and indexes all come here. */
export function termOf(path: DocumentPath): SqliteTerm {
  if (path.length === 1 && path[0] === "id") return ID;
  const place = `doc, ${jsonPath(path)}`;
  const type = `json_type(${place})`;
  const json = `(doc -> ${jsonPath(path)})`;
  return {
    rank: `(${rankOfType(type)})`,
    key: `(${keyOfType(type, `json_extract(${place})`)})`,
    json,
    canonical: `formdb_canonical(${json})`,
    place,
  };
}

const ID: SqliteTerm = Object.freeze({
  rank: `(${RANK.string})`,
  key: "id",
  json: "json_quote(id)",
  canonical: "id",
  place: undefined,
});
