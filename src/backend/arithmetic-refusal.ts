import { FormDBError } from "../base/errors.ts";
import { arithmeticFailure } from "../dialect/arithmetic.ts";

/**
 * The error for arithmetic that met a value that is no number, or has no finite result, and for a value that is copied too deep,
 * the same on every engine; undefined for other failures.
 */
export function arithmeticRefusal(
  message: string,
  details: Readonly<Record<string, unknown>>,
): FormDBError | undefined {
  const failure = arithmeticFailure(message);
  if (failure === undefined) return undefined;
  const { reason, path } = failure;
  return new FormDBError("FORMDB_CONSTRAINT", `The UPDATE failed, and no document was changed: ${reason}`, {
    details: path === undefined ? details : { ...details, path },
  });
}
