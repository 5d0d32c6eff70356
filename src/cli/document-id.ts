import { hash } from "node:crypto";
import { FormDBError } from "../base/errors.ts";

/** How documents of an import come by their ids. */
export interface IdOptions {
  /** The field whose value is the id; `id` when not given. */
  readonly idField: string | undefined;
  /** What tells this input from others: a part of the ids that are made. */
  readonly source: string;
}

/**
 * The document under its id. One without an id gets a UUIDv8 (RFC 9562) from a SHA-256 of the input's
 * name, its place in the input and its content, so that importing the same input again makes the same ids and
 * stores nothing twice. Throws `FORMDB_INVALID_ID` where the field that was named for the id is missing, or where
 * taking it would lose another id.
 */
export function withId(
  document: Record<string, unknown>,
  number: number,
  { idField, source }: IdOptions,
): { readonly document: Record<string, unknown>; readonly made: boolean } {
  if (idField === undefined || idField === "id") {
    if (Object.hasOwn(document, "id")) return { document, made: false };
    if (idField === undefined) {
      return { document: { id: madeId(source, number, JSON.stringify(document)), ...document }, made: true };
    }
  }
  if (!Object.hasOwn(document, idField)) {
    throw invalidId(`The document has no field ${JSON.stringify(idField)}, which is to be its id`);
  }
  const id = document[idField];
  if (Object.hasOwn(document, "id") && document.id !== id) {
    throw invalidId(
      `The document has an id of its own, which its field ${JSON.stringify(idField)} would replace; rename one of them`,
    );
  }
  return { document: { ...document, id }, made: false };
}

function madeId(source: string, number: number, content: string): string {
  // Lengths are no concern: a newline can be in none of the three but as \n in the JSON text.
  const hex = hash("sha256", `${JSON.stringify(source)}\n${number}\n${content}`, "hex");
  const variant = ((Number.parseInt(hex[16]!, 16) & 0x3) | 0x8).toString(16);
  return (
    `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-` +
    `${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
  );
}

function invalidId(message: string): FormDBError {
  return new FormDBError("FORMDB_INVALID_ID", message);
}
