import { fstatSync, readlinkSync, realpathSync, type Stats, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

/**
 * Whether two paths lead to one file, by whatever links or spelling. A file that is not there yet is told by where it
 * would be made; its name counts in any case of letters, as some file systems take it.
 */
export function isSameFile(one: string, other: string): boolean {
  const [a, b] = [statOf(one), statOf(other)];
  if (a !== undefined && b !== undefined) return isSame(a, b);
  return a === b && spelling(one) === spelling(other);
}

/** Whether a path leads to what an open descriptor reads, such as 0 for the standard input. */
export function isOpenAs(path: string, descriptor: number): boolean {
  const there = statOf(path);
  return there?.isFile() === true && isSame(there, fstatSync(descriptor));
}

function isSame(a: Stats, b: Stats): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function spelling(path: string): string {
  return place(resolve(path), MAX_LINKS).normalize("NFC").toLowerCase();
}

/** As many links in a row as Linux follows. */
const MAX_LINKS = 40;

/** The path of a file that need not be there, without the links on the way, also one whose target is missing. */
function place(path: string, links: number): string {
  try {
    return realpathSync(path);
  } catch {
    const target = links > 0 ? linkTarget(path) : undefined;
    if (target !== undefined) return place(resolve(dirname(path), target), links - 1);
    const folder = dirname(path);
    return folder === path ? path : join(place(folder, links), basename(path));
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
