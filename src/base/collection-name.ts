import { FormDBError } from "./errors.ts";
import { show } from "./options.ts";

/** PostgreSQL cuts identifiers at 63 bytes; index and helper names need some of them. */
export const MAX_COLLECTION_NAME_LENGTH = 48;

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const RESERVED = /^(?:formdb_|sqlite_|pg_)/i;

/**
 * Returns the name when a collection may have it: letters, digits and underscores, not starting with a
 * digit or a prefix that the engines or FormDB keep for themselves. Throws `FORMDB_CONFIG`.
 */
export function checkCollectionName(name: unknown): string {
  if (typeof name !== "string") throw refuse(`A collection's name must be a string, not ${show(name)}`, name);
  if (name.length === 0) throw refuse("A collection's name must not be empty", name);
  if (name.length > MAX_COLLECTION_NAME_LENGTH) {
    throw refuse(
      `A collection's name must have at most ${MAX_COLLECTION_NAME_LENGTH} characters, not ${name.length}: ${show(name)}`,
      name,
    );
  }
  if (!NAME.test(name)) {
    throw refuse(
      `A collection's name must consist of letters, digits and underscores and not start with a digit, ` +
        `unlike ${show(name)}`,
      name,
    );
  }
  if (RESERVED.test(name)) {
    throw refuse(
      `A collection's name must not start with formdb_, sqlite_ or pg_, which are reserved, unlike ${show(name)}`,
      name,
    );
  }
  return name;
}

function refuse(message: string, name: unknown): FormDBError {
  return new FormDBError("FORMDB_CONFIG", message, {
    details: { collection: typeof name === "string" ? name : show(name) },
  });
}
