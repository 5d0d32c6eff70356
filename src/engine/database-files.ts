import { realpathSync } from "node:fs";
import { COMPANIONS, parseSqliteUrl } from "../backend/sqlite/sqlite-url.ts";
import { DEFAULT_URL } from "./open.ts";

/**
 * The files that `open(url)` would work with, whether they are there or not: a SQLite database and its companions, by
 * absolute paths without links. Empty for a database on a server or in memory. Opens nothing. Throws `FORMDB_CONFIG` if
 * the URL can't name a database.
 */
export function databaseFiles(url: string = process.env.FORMDB_URL || DEFAULT_URL): string[] {
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== "sqlite" && scheme !== "file") return [];
  const { file, memory } = parseSqliteUrl(url);
  if (memory) return [];
  const path = withoutLinks(file);
  return [path, ...COMPANIONS.map((companion) => `${path}${companion}`)];
}

function withoutLinks(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}
