import { FormDBError } from "../base/errors.ts";
import { notANumber } from "../dialect/not-a-number.ts";

/** The error for arithmetic that met a value that is no number, the same on every engine; undefined for other failures. */
export function arithmeticRefusal(
  message: string,
  details: Readonly<Record<string, unknown>>,
): FormDBError | undefined {
  const refused = notANumber(message);
  if (refused === undefined) return undefined;
  const { path, found } = refused;
  return new FormDBError(
    "FORMDB_CONSTRAINT",
    `The UPDATE failed, and no document was changed: ${path} must hold a number for arithmetic, or nothing, not ${found}`,
    { details: { ...details, path } },
  );
}
