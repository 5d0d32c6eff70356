import { closeSync, openSync, readSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { databaseFiles, type FormDBError } from "@formdb/perf";
import { configError } from "./message.ts";
import { isOpenAs, isSameFile } from "./same-file.ts";

/** The paths of an import, as the user gave them. */
interface ImportPaths {
  /** The input, or `-`. */
  readonly input: string;
  readonly rejects: string | undefined;
  readonly url: string | undefined;
}

/**
 * Refuses an import that would write over what it reads or over a database, before anything is opened for writing.
 * Throws `FORMDB_CONFIG`.
 */
export function checkPaths({ input, rejects, url }: ImportPaths): void {
  const files = databaseFiles(url);
  if (input !== "-" && files.some((file) => isSameFile(input, file))) {
    throw configError(`The input must be another file than the database, not ${input}`);
  }
  if (rejects === undefined) return;
  if (input === "-" ? isOpenAs(rejects, 0) : isSameFile(input, rejects)) {
    throw refusal("--rejects", "the input", rejects);
  }
  refuseDatabase("--rejects", rejects, files);
  refuseOtherPlaces("--rejects", rejects);
}

/** Refuses an output that would be written over a database. Throws `FORMDB_CONFIG`. */
export function checkOutput(path: string, url: string | undefined): void {
  refuseDatabase("--out", path, databaseFiles(url));
  refuseOtherPlaces("--out", path);
}

/** Refuses a path at which no file can be made. */
function refuseOtherPlaces(option: string, path: string): void {
  const folder = dirname(resolve(path));
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw configError(`${option} must name a file in a folder that is there, and ${folder} is none`);
  }
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw configError(`${option} must name a file, and ${path} is a directory`);
  }
}

function refuseDatabase(option: string, path: string, files: readonly string[]): void {
  if (files.some((file) => isSameFile(file, path))) {
    throw refusal(option, "the database and what belongs to it", path);
  }
  if (isOfSqlite(path)) throw refusal(option, "a SQLite database or its log", path);
}

function refusal(option: string, what: string, path: string): FormDBError {
  return configError(`${option} must name another file than ${what}: what ${path} holds would be lost`);
}

/** What SQLite's databases (spill journals are such), logs, shared memory and rollback journals begin with. */
const BEGINNINGS: readonly Buffer[] = [
  Buffer.from("SQLite format 3\0", "latin1"),
  Buffer.from([0x37, 0x7f, 0x06, 0x82]),
  Buffer.from([0x37, 0x7f, 0x06, 0x83]),
  Buffer.from([0x18, 0xe2, 0x2d, 0x00]),
  Buffer.from([0x00, 0x2d, 0xe2, 0x18]),
  Buffer.from([0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]),
];

function isOfSqlite(path: string): boolean {
  const head = headOf(path, 16);
  return BEGINNINGS.some((beginning) => head.subarray(0, beginning.length).equals(beginning));
}

function headOf(path: string, bytes: number): Buffer {
  // Opening a pipe would wait for somebody who writes to it.
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return Buffer.alloc(0);
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return Buffer.alloc(0);
  }
  try {
    const head = Buffer.alloc(bytes);
    return head.subarray(0, readSync(file, head, 0, bytes, 0));
  } catch {
    return Buffer.alloc(0);
  } finally {
    closeSync(file);
  }
}
