import { type Stats, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { databaseKind, shownName } from "../../base/database-url.ts";
import { FormDBError } from "../../base/errors.ts";
import { configError } from "../../base/options.ts";
import { failureOf, sqliteError } from "./errors.ts";

/** What SQLite keeps beside a database, under the database's name. */
export const COMPANIONS: readonly string[] = ["-wal", "-shm", "-journal"];

/** Where a SQLite database is and how it is opened. */
export interface SqliteLocation {
  /** An absolute path, or `:memory:`. */
  readonly file: string;
  readonly memory: boolean;
  readonly readOnly: boolean;
}

/**
 * Reads `sqlite:app.db`, `sqlite:///abs/app.db`, `sqlite::memory:`, `file:app.db` or a plain path. The parameter
 * `mode` is SQLite's own: `ro` opens for reading only, `rw` an existing file, and `rwc`, the default, makes the file if
 * there is none.
 *
 * Throws `FORMDB_CONFIG` for anything else and for a path that can't be a database file: a directory, or a file in a
 * folder that does not exist; `FORMDB_CONNECT_FAILED` if a file must exist and does not. What is no path is never part
 * of a message: it may be a secret that was put in the wrong place.
 */
export function parseSqliteUrl(url: string, mustExist = false): SqliteLocation {
  databaseKind(url);
  const host = /^(?:sqlite|file):\/\/([^/].*)$/i.exec(url)?.[1];
  if (host !== undefined) {
    const instead = /^(?:[\w./-]+|:memory:)$/.test(host) ? `sqlite:${host}` : "sqlite:path";
    throw configError(
      "A SQLite URL must not name a host, which is what stands between // and the next /: " +
        `write ${instead} or sqlite:///path/to/file`,
      "url",
    );
  }
  const withoutScheme = url.replace(/^(?:sqlite|file):(?:\/\/(?=\/))?/i, "");
  const [path, query] = splitOnce(withoutScheme, "?");
  const mode = query === undefined ? "rwc" : readMode(query);
  if (path === ":memory:") return { file: path, memory: true, readOnly: false };
  if (path === "") throw configError("A SQLite URL must name a file or :memory:", "url");
  const decoded = /^(?:file:|sqlite:\/\/)/i.test(url) ? decode(path) : path;
  if (decoded.includes("\0")) throw configError("A SQLite file's path must not contain U+0000", "url");
  const file = resolve(decoded);
  checkPlace(file, mustExist || mode !== "rwc");
  return { file, memory: false, readOnly: mode === "ro" };
}

function splitOnce(text: string, separator: string): [before: string, after: string | undefined] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw configError("A SQLite URL must have two hexadecimal digits of UTF-8 after each %", "url");
  }
}

const MODES: ReadonlySet<string> = new Set(["ro", "rw", "rwc"]);

function readMode(query: string): string {
  const parameters = new URLSearchParams(query);
  for (const [name, value] of parameters) {
    if (name !== "mode" || !MODES.has(value)) {
      const found = name === "mode" ? `, not mode=${shownName(value)}` : "";
      throw configError(
        `A SQLite URL takes the parameter mode=ro, mode=rw or mode=rwc and no other${found}`,
        "url",
      );
    }
  }
  return parameters.get("mode") ?? "rwc";
}

function checkPlace(file: string, mustExist: boolean): void {
  const there = look(file);
  if (there?.isDirectory()) {
    throw configError(`A SQLite database must be a file, but ${file} is a directory`, "url", file);
  }
  if (there !== undefined) return;
  if (mustExist) {
    throw new FormDBError(
      "FORMDB_CONNECT_FAILED",
      `The SQLite database must be there already, but there is no file ${file}`,
      { retryable: false, details: { file } },
    );
  }
  if (!look(dirname(file))?.isDirectory()) {
    throw configError(
      `A SQLite database must lie in a folder that exists, but there is no folder ${dirname(file)}`,
      "url",
      file,
    );
  }
}

/** What is at a path, or where a link there leads to; undefined if nothing is. */
export function look(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw sqliteError(`Looking for ${path}`, failureOf(error), { cause: error });
  }
}
