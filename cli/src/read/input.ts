import { createReadStream, type Stats } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { extname } from "node:path";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { FormDBError } from "@formdb/perf";
import { configError, messageOf } from "../message.ts";
import { peek } from "./text.ts";

/** The kinds of text that documents are read from. */
export type InputFormat = "ndjson" | "json" | "csv" | "tsv";

export const INPUT_FORMATS: readonly InputFormat[] = ["ndjson", "json", "csv", "tsv"];

/** How much is read at a time, and how much of an input is looked at to tell its format. */
const CHUNK_BYTES = 256 * 1024;
const SNIFFED_BYTES = 64 * 1024;

const BY_EXTENSION: Readonly<Record<string, InputFormat>> = {
  ".ndjson": "ndjson",
  ".jsonl": "ndjson",
  ".csv": "csv",
  ".tsv": "tsv",
};

/** An input that is open: a file or the standard input, unpacked where it is gzip. */
export interface Input {
  /** What messages call it. */
  readonly name: string;
  /** What tells it from other inputs: its full path, or `-`. */
  readonly source: string;
  readonly format: InputFormat;
  /** Of the file as it is stored; undefined where nobody can tell. */
  readonly sizeBytes: number | undefined;
  /** How many of them were read so far. */
  bytesRead(): number;
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Ends the reading at once, also while it waits for more. Safe to call twice. */
  stop(): void;
}

/**
 * Opens a file, or the standard input for `-`. Without a given format it goes by the file's extension, then by
 * the first bytes. Throws a `FormDBError` where there is no file, no right to read it, or a directory.
 */
export async function openInput(
  path: string,
  format: InputFormat | undefined,
  stdin: Readable = process.stdin,
): Promise<Input> {
  const name = path === "-" ? "the standard input" : path;
  const file = path === "-" ? undefined : await statFile(path);
  const raw = file === undefined ? stdin : createReadStream(path, { highWaterMark: CHUNK_BYTES });
  let bytesRead = 0;
  const counted = Readable.from(
    (async function* (): AsyncGenerator<Buffer> {
      for await (const chunk of raw) {
        bytesRead += (chunk as Buffer).length;
        yield chunk as Buffer;
      }
    })(),
    { objectMode: false, highWaterMark: CHUNK_BYTES },
  );
  const stop = (): void => {
    raw.destroy();
    counted.destroy();
  };
  try {
    const packed = await peek(named(counted, name), (head) => head.length >= 2);
    const isGzip = packed.head[0] === 0x1f && packed.head[1] === 0x8b;
    const text = await peek(
      isGzip ? named(gunzip(packed.all, counted), name) : packed.all,
      (head) => head.length >= SNIFFED_BYTES || isTelling(head),
    );
    refuseOtherThanText(name, text.head);
    return {
      name,
      source: file === undefined ? "-" : await realpath(path),
      format: format ?? formatOf(path, text.head),
      sizeBytes: file?.isFile() === true ? file.size : undefined,
      bytesRead: () => bytesRead,
      chunks: text.all,
      stop,
    };
  } catch (error) {
    stop();
    throw error;
  }
}

/** How files begin that are no UTF-8 and that no gzip has packed, what they are, and what makes text of them. */
const OTHER_THAN_TEXT: readonly (readonly [beginning: string, what: string, way: string])[] = [
  ["\xff\xfe", "UTF-16", "iconv -f UTF-16 -t UTF-8"],
  ["\xfe\xff", "UTF-16", "iconv -f UTF-16 -t UTF-8"],
  ["PK\x03\x04", "a zip archive", "unzip -p"],
  ["\x28\xb5\x2f\xfd", "packed by zstd", "zstd -dc"],
  ["\xfd7zXZ\0", "packed by xz", "xz -dc"],
  ["BZh91AY&SY", "packed by bzip2", "bzip2 -dc"],
  ["SQLite format 3\0", "a SQLite database", "formdb export"],
];

function refuseOtherThanText(name: string, head: Uint8Array): void {
  const beginning = Buffer.from(head.subarray(0, 16)).toString("latin1");
  const found = OTHER_THAN_TEXT.find(([known]) => beginning.startsWith(known));
  if (found === undefined) return;
  const [, what, way] = found;
  throw configError(
    `${name} can't be read: it must be text in UTF-8, or gzip of it, and is ${what}; ${way} makes text of it`,
    name,
  );
}

async function statFile(path: string): Promise<Stats> {
  let stats: Stats;
  try {
    stats = await stat(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  if (!stats.isDirectory()) return stats;
  throw configError(`${path} is a directory; give a file, or - for the standard input`, path);
}

function unreadable(name: string, error: unknown): FormDBError {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const why =
    code === "ENOENT"
      ? "there is no such file"
      : code === "EACCES" || code === "EPERM"
        ? "permission is missing"
        : code.startsWith("Z_")
          ? `its gzip data is damaged (${messageOf(error)})`
          : messageOf(error);
  return configError(`${name} can't be read: ${why}`, name, error);
}

/** The chunks of a stream, whose failures name it. */
async function* named(stream: Readable, name: string): AsyncGenerator<Uint8Array> {
  try {
    yield* stream as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw unreadable(name, error);
  }
}

function gunzip(packed: AsyncIterable<Uint8Array>, source: Readable): Readable {
  const unpacked = createGunzip();
  const input = Readable.from(packed, { objectMode: false });
  input.on("error", (error) => unpacked.destroy(error));
  source.on("close", () => {
    // A source that was stopped in its middle never ends its gzip data.
    if (!source.readableEnded) unpacked.destroy();
  });
  return input.pipe(unpacked);
}

/** Whether the first line is there, so that a slow pipe is not waited for longer than needed. */
function isTelling(head: Uint8Array): boolean {
  const start = head.findIndex((byte) => byte > 0x20);
  return start !== -1 && head.indexOf(0x0a, start) !== -1;
}

function formatOf(path: string, head: Uint8Array): InputFormat {
  const extension = extname(path.replace(/\.gz$/i, "")).toLowerCase();
  const known = BY_EXTENSION[extension];
  if (known !== undefined) return known;
  const text = Buffer.from(head)
    .toString("utf8")
    .replace(/^\ufeff/, "")
    .trimStart();
  if (text.startsWith("[")) return "json";
  if (text.startsWith("{")) return isWholeLine(text) ? "ndjson" : "json";
  if (extension === ".json" || text === "") return "ndjson";
  return /^[^\n]*\t/.test(text) ? "tsv" : "csv";
}

/** Whether the first line may be a whole object; a pretty-printed one goes on below its first line. */
function isWholeLine(text: string): boolean {
  const end = text.indexOf("\n");
  return end === -1 || text.slice(0, end).trimEnd().endsWith("}");
}
