import { statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { configError } from "../../base/options.ts";

/** Where a SQLite database is and how it is opened. */
export interface SqliteLocation {
  /** An absolute path, or `:memory:`. */
  readonly file: string;
  readonly memory: boolean;
  readonly readOnly: boolean;
}

/**
 * Reads `sqlite:app.db`, `sqlite:///abs/app.db`, `sqlite::memory:`, `file:app.db` or a plain path. The
 * parameter `mode=ro` opens for reading only. Throws `FORMDB_CONFIG` for anything else, and for a path
 * that can't be a database file: a directory, or a file in a folder that is not there.
 */
export function parseSqliteUrl(url: string): SqliteLocation {
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
  const readOnly = question !== -1 && readMode(url, new URLSearchParams(withoutScheme.slice(question + 1)));
  if (path === ":memory:") return { file: path, memory: true, readOnly: false };
  if (path === "")
    throw configError(`A SQLite URL must name a file or :memory:, unlike ${JSON.stringify(url)}`);
  const decoded = /^(?:file:|sqlite:\/\/)/i.test(url) ? decode(url, path) : path;
  if (decoded.includes("\0")) throw configError("A SQLite file's path must not contain U+0000");
  const file = resolve(decoded);
  checkPlace(file);
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

function readMode(url: string, parameters: URLSearchParams): boolean {
  for (const [name, value] of parameters) {
    if (name !== "mode" || (value !== "ro" && value !== "rw")) {
      throw configError(
        `A SQLite URL takes the parameter mode=ro or mode=rw and no other, unlike ${JSON.stringify(`${name}=${value}`)} in ${JSON.stringify(url)}`,
      );
    }
  }
  return parameters.get("mode") === "ro";
}

function checkPlace(file: string): void {
  const there = statSync(file, { throwIfNoEntry: false });
  if (there?.isDirectory()) {
    throw configError(`A SQLite database must be a file, but ${file} is a directory`, "url", file);
  }
  if (there === undefined && !statSync(dirname(file), { throwIfNoEntry: false })?.isDirectory()) {
    throw configError(
      `A SQLite database must lie in a folder that exists, but there is no folder ${dirname(file)}`,
      "url",
      file,
    );
  }
}
