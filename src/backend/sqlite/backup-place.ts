import { lstatSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { configError, show } from "../../base/options.ts";
import { COMPANIONS, look } from "./sqlite-url.ts";

/**
 * The absolute path, without links, at which a backup may be put. Throws `FORMDB_CONFIG` if the path can't be that of a new
 * database, if it is that of the database itself or of a file that belongs to it (`database` is its path, undefined in
 * memory), and, unless `overwrite`, if there is a file.
 */
export function backupPlace(file: unknown, database: string | undefined, overwrite: boolean): string {
  if (typeof file !== "string" || NO_PATH.test(file)) {
    throw configError(`A backup needs the path of a file, not ${show(file)}`, "file");
  }
  const refuse = (why: string): Error =>
    configError(`The backup can't be written to ${file}: ${why}`, "file", file);
  const place = withoutLinks(file, refuse);
  if (database !== undefined && isOf(database, place)) {
    throw refuse("it must be another file than the database and those that belong to it");
  }
  if (COMPANIONS.some((companion) => place.toLowerCase().endsWith(companion))) {
    throw refuse(`names that end in ${COMPANIONS.join(", ")} are for SQLite's own files`);
  }
  const there = look(place);
  if (there !== undefined && !there.isFile()) throw refuse("what is there is no file");
  if (there !== undefined && !overwrite) throw refuse(ALREADY_THERE);
  // SQLite would take it for that of the new file, and write what it holds into it.
  const left = ["-wal", "-journal"].find((companion) => look(`${place}${companion}`) !== undefined);
  if (left !== undefined) {
    throw refuse(
      `beside it is ${basename(place)}${left}, so that a database there is open or was not closed`,
    );
  }
  return place;
}

/** What names no file: nothing, U+0000, a database in memory, and a database's URL, which would be a name of its own. */
const NO_PATH = /^$|\0|^:memory:$|^(?:sqlite|file):/i;

/** Why nothing is written over a file unless that is asked for. */
export const ALREADY_THERE =
  "there is a file already. overwrite: true, or --overwrite for the command, replaces it";

function withoutLinks(file: string, refuse: (why: string) => Error): string {
  const path = resolve(file);
  const folder = dirname(path);
  if (look(folder)?.isDirectory() !== true) throw refuse(`there is no folder ${folder}`);
  if (look(path) !== undefined) return realpathSync(path);
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined)
    throw refuse("it is a link to what is not there");
  return join(realpathSync(folder), basename(path));
}

/** Whether a place is that of the database or of one of its files; the letters' case counts as little as some file systems let it. */
function isOf(database: string, place: string): boolean {
  const spelled = (path: string): string => path.normalize("NFC").toLowerCase();
  const there = look(place);
  const own = realpathSync(database);
  return ["", ...COMPANIONS].some((companion) => {
    const path = `${own}${companion}`;
    if (spelled(path) === spelled(place)) return true;
    const stats = there && look(path);
    return stats !== undefined && stats.dev === there?.dev && stats.ino === there.ino;
  });
}
