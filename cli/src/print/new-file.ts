import { randomUUID } from "node:crypto";
import {
  createWriteStream,
  existsSync,
  fchmodSync,
  openSync,
  realpathSync,
  type Stats,
  statSync,
  type WriteStream,
} from "node:fs";
import { link, open, rename, rm } from "node:fs/promises";
import { finished } from "node:stream/promises";
import type { FormDBError } from "@formdb/perf";
import { configError, messageOf } from "../message.ts";

/**
 * A file that appears under its name when it is whole: until then it is written beside it. A device or a pipe is written to
 * as it is.
 */
export class NewFile {
  readonly #path: string;
  /** Undefined if the path is no file's, so that there is nothing to put in its place. */
  readonly #partial: string | undefined;
  readonly #overwrite: boolean;
  readonly stream: WriteStream;

  /** Throws `FORMDB_CONFIG` if there is a file that must not be replaced, or none can be made. */
  constructor(path: string, overwrite: boolean) {
    const there = statSync(path, { throwIfNoEntry: false });
    if (there?.isDirectory()) throw configError(`${path} must be a file, and is a directory`);
    if (there?.isFile() === true && !overwrite) throw takenError(path);
    this.#overwrite = overwrite;
    this.#path = there === undefined ? path : realpathSync(path);
    const isFile = there === undefined || there.isFile();
    this.#partial = isFile ? `${this.#path}.${randomUUID().slice(0, 8)}.partial` : undefined;
    try {
      const descriptor =
        this.#partial === undefined ? openSync(path, "w") : openPartial(this.#partial, there);
      this.stream = createWriteStream("", { fd: descriptor });
    } catch (error) {
      throw configError(`${path} can't be written: ${messageOf(error)}`, path, error);
    }
  }

  /** Gives the file its name, once all of it is on the disk. */
  async keep(): Promise<void> {
    this.stream.end();
    await finished(this.stream);
    const partial = this.#partial;
    if (partial === undefined) return;
    const handle = await open(partial, "r+");
    await handle.sync().finally(() => handle.close());
    if (this.#overwrite) return rename(partial, this.#path);
    try {
      await link(partial, this.#path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST" || existsSync(this.#path))
        throw takenError(this.#path);
      await rename(partial, this.#path);
    }
  }

  /** Removes what is left of a file that was not kept. */
  async discard(): Promise<void> {
    if (!this.stream.closed) {
      this.stream.destroy();
      await finished(this.stream).catch(() => {});
    }
    if (this.#partial !== undefined) await rm(this.#partial, { force: true });
  }
}

/** Whoever may not read the file that is replaced may not read what comes in its place, at no moment. */
function openPartial(partial: string, replaced: Stats | undefined): number {
  if (replaced === undefined) return openSync(partial, "wx");
  const mode = replaced.mode & 0o777;
  const descriptor = openSync(partial, "wx", mode);
  fchmodSync(descriptor, mode);
  return descriptor;
}

function takenError(path: string): FormDBError {
  return configError(`There is a file ${path} already; --overwrite replaces it`);
}
