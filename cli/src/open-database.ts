import { type FormDB, type HttpDatabase, type OpenOptions, open } from "@formdb/perf";
import { configError } from "./message.ts";

/** A database that is opened here, or one behind `formdb serve`. */
export type Database = FormDB | HttpDatabase;

/**
 * Opens the database that `--db` names, else the environment's. A server is given the environment's key; what the options
 * say of a database that is opened here, its server has decided.
 */
export async function openDatabase(url: string | undefined, options: OpenOptions): Promise<Database> {
  const server = serverOf(url);
  if (server === undefined) return open(url, options);
  const { FORMDB_API_KEY, FORMDB_READ_KEY } = process.env;
  return open(server, { apiKey: FORMDB_API_KEY || FORMDB_READ_KEY || undefined });
}

/** Opens a database that must be opened here. Throws `FORMDB_CONFIG` for a server. */
export async function openHere(
  command: string,
  url: string | undefined,
  options?: OpenOptions,
): Promise<FormDB> {
  refuseServer(command, url);
  return open(url, options);
}

/** Throws `FORMDB_CONFIG` for a server's URL, to a command that can't do its work there. */
export function refuseServer(command: string, url: string | undefined): void {
  if (serverOf(url) === undefined) return;
  throw configError(
    `formdb ${command} must open the database itself: --db must be sqlite:FILE, a path or postgres://…, not a server's URL`,
  );
}

/** The URL of a server, if it is one that would be opened. */
export function serverOf(url: string | undefined): `http://${string}` | `https://${string}` | undefined {
  const asked = url ?? process.env.FORMDB_URL ?? "";
  return /^https?:\/\//i.test(asked) ? (asked as `http://${string}`) : undefined;
}
