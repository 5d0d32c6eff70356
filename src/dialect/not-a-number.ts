import type { DocumentPath } from "./ddl-dialect.ts";

/** What an engine's error begins with when arithmetic met a value that is no number: the path and the value's JSON follow. */
export const NOT_A_NUMBER = "formdb: no number at ";
const TOLD = new RegExp(`${NOT_A_NUMBER}(.+?): (.*) ;`, "s");
/** How much of the value's JSON text the error holds, in characters. */
export const SHOWN_CHARACTERS = 60;

/** A path as people write it, as a string of SQL. */
export function pathLiteral(path: DocumentPath): string {
  const text = path.map((part, i) => (typeof part === "number" ? `[${part}]` : i === 0 ? part : `.${part}`));
  return `'${text.join("").replaceAll("'", "''")}'`;
}

/** The path and the value that an engine's error tells of; undefined for all other errors. */
export function notANumber(message: string): { readonly path: string; readonly found: string } | undefined {
  const [, path, found] = TOLD.exec(message) ?? [];
  return path === undefined || found === undefined ? undefined : { path, found };
}
