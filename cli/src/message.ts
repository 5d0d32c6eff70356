import { FormDBError } from "@formdb/perf";

/** The longest value that a message shows whole. */
const MAX_SHOWN_CHARACTERS = 80;

/** What an error says, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A value as messages show it: as JSON, cut where it is long. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS - 3)}...` : text;
}

/** The error for what was asked for in a way that can't be done. `path` is that of a file that can't be used. */
export function configError(message: string, path?: string, cause?: unknown): FormDBError {
  return new FormDBError("FORMDB_CONFIG", message, {
    cause,
    ...(path === undefined ? {} : { details: { path } }),
  });
}
