import { Readable } from "node:stream";
import { FormDBError } from "@formdb/perf";
import { type CsvError, type Info, type Options, Parser } from "csv-parse";
import { show } from "../message.ts";
import { type ByteSource, type Excerpt, failure, MAX_DOCUMENT_BYTES, type ReadFailure } from "./entry.ts";
import { peekLineEnd } from "./line-end.ts";
import { decodeUtf8, withoutBom } from "./text.ts";

/** How CSV text becomes documents. */
export interface CsvOptions {
  /** The names of the columns of an input without a header, whose first record is then a document. */
  readonly columns?: readonly string[] | undefined;
  /** What stands between two cells, one ASCII character that is no letter, digit or quote; else `,`. */
  readonly delimiter?: string | undefined;
  readonly maxBytes?: number;
}

/** One record of a CSV file under its header: the cells are text still. */
export interface CsvRecord {
  readonly number: number;
  readonly line: number;
  readonly cells: readonly string[];
  readonly excerpt: Excerpt;
}

export interface CsvTable {
  readonly header: readonly string[];
  /** Whether the header was read from the input. */
  readonly hasHeader: boolean;
  readonly records: AsyncIterable<CsvRecord | ReadFailure>;
}

/**
 * What the parser hands on, in the order of the input. Its strings are bytes, one a character. `fault` says
 * what is wrong with the record, whose text is then all that is known of it.
 */
interface Parsed {
  readonly line: number;
  readonly cells: readonly string[];
  readonly raw: string;
  readonly fault: string | undefined;
}

/**
 * The header and the records of CSV text (RFC 4180; lines end in LF or CR LF, or in CR if the first one does; blank lines
 * are left out).
 * A record with a wrong number of cells, a stray quote or bytes that are no UTF-8 is a failure with its line,
 * and the others go on. Throws `FORMDB_INVALID_DOCUMENT` where no header can be used, and where a record is
 * larger than `maxBytes`, which most often is a quote that nothing closes.
 */
export async function readCsvTable(source: ByteSource, options: CsvOptions = {}): Promise<CsvTable> {
  const { bytes, firstEnd } = await peekLineEnd(withoutBom(source));
  const parsed = parse(bytes, firstEnd === "\r" ? ["\r\n", "\n", "\r"] : ["\r\n", "\n"], options);
  const { columns } = options;
  if (columns !== undefined) {
    return { header: columns, hasHeader: false, records: records(parsed, columns.length) };
  }
  const first = await parsed.next();
  if (first.done === true) return { header: [], hasHeader: false, records: none() };
  const header = headerOf(first.value);
  if (options.delimiter === undefined && header.length === 1 && /[;\t|]/.test(header[0]!)) {
    throw headerError(
      `It has a single column, called ${show(header[0])}; --delimiter says what stands between the cells`,
    );
  }
  return { header, hasHeader: true, records: records(parsed, header.length) };
}

async function* none(): AsyncGenerator<never> {}

async function* records(
  parsed: AsyncGenerator<Parsed>,
  columns: number,
): AsyncGenerator<CsvRecord | ReadFailure> {
  let number = 0;
  for await (const { line, cells, raw, fault } of parsed) {
    number++;
    const excerpt = { text: textOf(raw), isJson: false };
    const texts = fault === undefined ? decodeCells(cells) : [];
    if (texts !== undefined && fault === undefined && texts.length === columns) {
      yield { number, line, cells: texts, excerpt };
      continue;
    }
    const why =
      fault ??
      (texts === undefined
        ? "The record is not valid UTF-8"
        : `The record must have a cell for each of the ${columns} columns, not ${texts.length}`);
    yield failure({ number, line }, why, texts === undefined ? withBytes(excerpt, raw) : excerpt);
  }
}

/** The text of a record that was read byte by byte. */
function textOf(raw: string): string {
  return NOT_ASCII.test(raw) ? Buffer.from(raw, "latin1").toString("utf8") : raw;
}

function withBytes(excerpt: Excerpt, raw: string): Excerpt {
  return { ...excerpt, bytes: Uint8Array.from(Buffer.from(raw, "latin1")) };
}

async function* parse(
  source: AsyncIterable<Buffer>,
  lineEnds: readonly string[],
  options: CsvOptions,
): AsyncGenerator<Parsed> {
  const maxBytes = options.maxBytes ?? MAX_DOCUMENT_BYTES;
  const delimiter = options.delimiter ?? ",";
  let extraLines = 0;
  const parser = new Parser({
    delimiter,
    // Bytes stay bytes, so that each record's UTF-8 can be checked and a bad one told by its line.
    encoding: "latin1",
    record_delimiter: [...lineEnds],
    relax_column_count: true,
    // Strictly read, a record with a stray quote would take the records after it along. So quotes are read
    // leniently, and `hasStrayQuote` finds the records that needed it.
    relax_quotes: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    max_record_size: maxBytes,
    raw: true,
    on_record: ((record: unknown, info: Info): Parsed => {
      const { record: cells, raw: rawText } = record as { record: string[]; raw: string };
      const raw = trimLineEnds(rawText);
      const inner = lineEndsIn(raw);
      // The parser counts a CR LF inside quotes as two lines.
      if (inner > 0) extraLines += count(raw, "\r\n");
      const fault = raw.includes('"') && hasStrayQuote(raw, delimiter) ? STRAY_QUOTE : undefined;
      return { line: info.lines - extraLines - inner, cells, raw, fault };
    }) as unknown as NonNullable<Options["on_record"]>,
    on_skip: (error: CsvError | undefined, rawText: string | undefined): undefined => {
      if (error === undefined) return;
      if (error.code !== "CSV_QUOTE_NOT_CLOSED") throw unreadable(error, maxBytes);
      const text = (rawText ?? "").replace(/^[\r\n]+/, "");
      // A line end at the very end has not been counted yet.
      const inner = lineEndsIn(text) - (/[\r\n]$/.test(text) ? 1 : 0);
      const line = (error.lines as number) - extraLines - count(text, "\r\n") - inner;
      const raw = trimLineEnds(text);
      parser.push({ line, cells: [], raw, fault: OPEN_QUOTE } satisfies Parsed);
    },
  });
  const input = Readable.from(source, { objectMode: false });
  input.on("error", (error) => parser.destroy(error));
  input.pipe(parser);
  try {
    for await (const item of parser) yield item as Parsed;
  } finally {
    input.destroy();
  }
}

const STRAY_QUOTE =
  'A quote must open a cell and close it, and be doubled ("") inside; this record has one in another place';
const OPEN_QUOTE =
  "The record has a quote that nothing closes; all that follows it, to the end of the input, is lost to it";

/** Whether a record's text has a quote where RFC 4180 has none. */
function hasStrayQuote(raw: string, delimiter: string): boolean {
  const cell = new RegExp(`"[^"]*(?:""[^"]*)*"|[^"\\${delimiter}]*`, "y");
  while (cell.test(raw)) {
    if (cell.lastIndex === raw.length) return false;
    if (raw[cell.lastIndex] !== delimiter) return true;
    cell.lastIndex++;
  }
  return true;
}

function headerOf(first: Parsed): string[] {
  if (first.fault !== undefined) throw headerError(first.fault);
  const names = decodeCells(first.cells);
  if (names === undefined) throw headerError("It is not valid UTF-8");
  if (names.some((name) => name.includes("\0")))
    throw headerError("It has the character U+0000, as no text has");
  const header = names.map((name, index) => (name.trim() === "" ? `column_${index + 1}` : name.trim()));
  const twice = header.find((name, index) => header.indexOf(name) !== index);
  if (twice !== undefined) throw headerError(`It names the column ${JSON.stringify(twice)} twice`);
  return header;
}

function headerError(why: string): FormDBError {
  return new FormDBError(
    "FORMDB_INVALID_DOCUMENT",
    `A CSV input must begin with a header that names each column once. ${why}`,
  );
}

function unreadable(error: CsvError, maxBytes: number): FormDBError {
  const line = error.lines;
  return new FormDBError(
    "FORMDB_INVALID_DOCUMENT",
    error.code === "CSV_MAX_RECORD_SIZE"
      ? `A CSV record that reaches line ${line} is larger than the ${maxBytes} bytes that a document may have, ` +
          "and nothing after it could be read; is there a quote that nothing closes?"
      : `The CSV input could not be read on from line ${line}: ${error.message}`,
    { cause: error },
  );
}

/** The texts of cells that were read byte by byte; undefined where one is no UTF-8. */
function decodeCells(cells: readonly string[]): string[] | undefined {
  const texts: string[] = [];
  for (const cell of cells) {
    const text = NOT_ASCII.test(cell) ? decodeUtf8(Buffer.from(cell, "latin1")) : cell;
    if (text === undefined) return undefined;
    texts.push(text);
  }
  return texts;
}

const NOT_ASCII = /[\x80-\xff]/;

function trimLineEnds(raw: string): string {
  return raw.replace(/^[\r\n]+|[\r\n]+$/g, "");
}

function lineEndsIn(text: string): number {
  return count(text, "\n") + count(text, "\r") - count(text, "\r\n");
}

function count(text: string, what: string): number {
  let found = 0;
  for (let at = text.indexOf(what); at !== -1; at = text.indexOf(what, at + what.length)) found++;
  return found;
}
