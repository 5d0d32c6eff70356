import { statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { FormDBError } from "../../base/errors.ts";
import { configError } from "../../base/options.ts";

/** Where a SQLite database is and how it is opened. */
export interface SqliteLocation {
  /** An absolute path, or `:memory:`. */
  readonly file: string;
  readonly memory: boolean;
  readonly readOnly: boolean;
}

/**
 * Reads `sqlite:app.db`, `sqlite:///abs/app.db`, `sqlite::memory:`, `file:app.db` or a plain path. The parameter `mode`
 * is SQLite's own: `ro` opens for reading only, `rw` what is there, and `rwc`, the default, makes the file where there is
 * none. Throws `FORMDB_CONFIG` for anything else, and for a path that can't be a database file: a directory, or a file in a
 * folder that is not there; `FORMDB_CONNECT_FAILED` where a file must be there and is not.
 */
export function parseSqliteUrl(url: string, mustExist = false): SqliteLocation {
  const host = /^(?:sqlite|file):\/\/([^/].*)$/i.exec(url)?.[1];
  if (host !== undefined) {
    throw configError(
      `A SQLite URL must not name a host, which is what stands between // and the next /, unlike ` +
        `${JSON.stringify(url)}: write ${JSON.stringify(`sqlite:${host}`)} or sqlite:///path/to/file`,
      "url",
      url,
    );
  }
  const withoutScheme = url.replace(/^(?:sqlite|file):(?:\/\/(?=\/))?/i, "");
  const question = withoutScheme.indexOf("?");
  const path = question === -1 ? withoutScheme : withoutScheme.slice(0, question);
  const mode =
    question === -1 ? "rwc" : readMode(url, new URLSearchParams(withoutScheme.slice(question + 1)));
  const readOnly = mode === "ro";
  if (path === ":memory:") return { file: path, memory: true, readOnly: false };
  if (path === "")
    throw configError(`A SQLite URL must name a file or :memory:, unlike ${JSON.stringify(url)}`);
  const decoded = /^(?:file:|sqlite:\/\/)/i.test(url) ? decode(url, path) : path;
  if (decoded.includes("\0")) throw configError("A SQLite file's path must not contain U+0000");
  const file = resolve(decoded);
  checkPlace(file, mustExist || mode !== "rwc");
  return { file, memory: false, readOnly };
}

function decode(url: string, path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw configError(
      `A SQLite URL must have two hexadecimal digits of UTF-8 after each %, unlike ${JSON.stringify(url)}`,
      "url",
      url,
    );
  }
}

const MODES: ReadonlySet<string> = new Set(["ro", "rw", "rwc"]);

function readMode(url: string, parameters: URLSearchParams): string {
  for (const [name, value] of parameters) {
    if (name !== "mode" || !MODES.has(value)) {
      throw configError(
        `A SQLite URL takes the parameter mode=ro, mode=rw or mode=rwc and no other, unlike ${JSON.stringify(`${name}=${value}`)} in ${JSON.stringify(url)}`,
      );
    }
  }
  return parameters.get("mode") ?? "rwc";
}

function checkPlace(file: string, mustExist: boolean): void {
  const there = statSync(file, { throwIfNoEntry: false });
  if (there?.isDirectory()) {
    throw configError(`A SQLite database must be a file, but ${file} is a directory`, "url", file);
  }
  if (there === undefined && mustExist) {
    throw new FormDBError(
      "FORMDB_CONNECT_FAILED",
      `The SQLite database must be there already, but there is no file ${file}`,
      {
        retryable: false,
        details: { file },
      },
    );
  }
  if (there === undefined && !statSync(dirname(file), { throwIfNoEntry: false })?.isDirectory()) {
    throw configError(
      `A SQLite database must lie in a folder that exists, but there is no folder ${dirname(file)}`,
      "url",
      file,
    );
  }
}
