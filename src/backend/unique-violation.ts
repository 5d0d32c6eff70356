import { FormDBError } from "../base/errors.ts";

/** A unique index by the name that its user gave it. */
export interface RefusingIndex {
  readonly collection: string;
  readonly name: string;
  /** Its paths, each as it is written in a query; empty if they are not known. */
  readonly paths: readonly string[];
}

/**
 * The error for a document that a unique index has refused, the same on every engine. An engine's own words hold values of
 * the document and the index's inner name and expressions, so neither they nor the cause are passed on.
 */
export function uniqueViolation(
  what: string,
  { collection, name, paths }: RefusingIndex,
  details: Readonly<Record<string, unknown>>,
): FormDBError {
  const over = paths.length === 0 ? "" : `, over ${paths.join(" and ")},`;
  return new FormDBError(
    "FORMDB_CONSTRAINT",
    `${what} failed: values in the unique index ${name} of ${collection}${over} must differ between documents`,
    { details: { ...details, collection, constraint: name, paths } },
  );
}

/** What a write of one document is called in its error. */
export function nameOfWrite(kind: string, collection: string, id: string): string {
  return `The ${kind} of document ${JSON.stringify(id)} in ${collection}`;
}
