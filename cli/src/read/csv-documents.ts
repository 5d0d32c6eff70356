import { configError, show } from "../message.ts";
import { type ColumnType, cellValue, columnType, looksLikeData } from "./column-types.ts";
import { type CsvOptions, type CsvRecord, readCsvTable } from "./csv.ts";
import { type ByteSource, type Entry, failure, type ReadFailure } from "./entry.ts";

/** From how many records a column's type is decided; they are held in memory together. */
const TYPE_SAMPLE_RECORDS = 1_000;
/** The sample also ends at this many characters, however few records they are. */
const TYPE_SAMPLE_CHARACTERS = 4_000_000;

export interface CsvDocumentOptions extends CsvOptions {
  /** Whether columns of numbers and of `true` and `false` become such, and empty cells null. */
  readonly inferTypes: boolean;
  /** Types that are not decided by what the columns hold. A cell of another type is then an error. */
  readonly types?: ReadonlyMap<string, ColumnType> | undefined;
  /** Columns that stay text whatever is in them: those that hold ids. */
  readonly textColumns?: readonly string[];
  /** Told, once each, what the reader noticed and the user should know at the end. */
  readonly notes?: CsvNotes | undefined;
}

/** What a reader notices on its way. */
export interface CsvNotes {
  /** Cells of the header that look like data. */
  headerData: readonly string[];
  /** Columns in which cells came that are not of the column's type, and stayed text. */
  readonly drifts: Map<string, TypeDrift>;
}

export interface TypeDrift {
  readonly type: ColumnType;
  readonly firstLine: number;
  readonly example: string;
  cells: number;
}

/** A column of the table, with what is needed to read its cells. */
interface Column {
  readonly name: string;
  readonly type: ColumnType;
  /** Whether the user has said so. */
  readonly isGiven: boolean;
}

/** CSV text as documents: a field for each column, in the order of the header. */
export async function* readCsv(source: ByteSource, options: CsvDocumentOptions): AsyncGenerator<Entry> {
  const { header, hasHeader, records } = await readCsvTable(source, options);
  checkTypes(options.types, header);
  if (hasHeader && options.notes !== undefined) options.notes.headerData = header.filter(looksLikeData);
  if (!options.inferTypes) {
    for await (const record of records) yield "error" in record ? record : textDocument(header, record);
    return;
  }
  const rest = records[Symbol.asyncIterator]();
  const sample = await take(rest);
  const columns = header.map((name, index): Column => {
    const given = options.types?.get(name);
    if (given !== undefined) return { name, type: given, isGiven: true };
    if (options.textColumns?.includes(name)) return { name, type: "string", isGiven: false };
    return { name, type: columnType(cellsOf(sample, index)), isGiven: false };
  });
  for (const record of sample) yield typedDocument(columns, record, options.notes);
  for await (const record of { [Symbol.asyncIterator]: () => rest }) {
    yield typedDocument(columns, record, options.notes);
  }
}

function checkTypes(types: ReadonlyMap<string, ColumnType> | undefined, header: readonly string[]): void {
  for (const name of types?.keys() ?? []) {
    if (header.includes(name)) continue;
    throw configError(
      `--type must name a column of the input, which ${show(name)} is not: it has ${header.map(show).join(", ")}`,
    );
  }
}

async function take(records: AsyncIterator<CsvRecord | ReadFailure>): Promise<(CsvRecord | ReadFailure)[]> {
  const sample: (CsvRecord | ReadFailure)[] = [];
  let characters = 0;
  while (sample.length < TYPE_SAMPLE_RECORDS && characters < TYPE_SAMPLE_CHARACTERS) {
    const { done, value } = await records.next();
    if (done === true) break;
    sample.push(value);
    if (!("error" in value)) for (const cell of value.cells) characters += cell.length;
  }
  return sample;
}

function* cellsOf(sample: readonly (CsvRecord | ReadFailure)[], column: number): Generator<string> {
  for (const record of sample) if (!("error" in record)) yield record.cells[column]!;
}

function textDocument(header: readonly string[], { number, line, cells, excerpt }: CsvRecord): Entry {
  const document = Object.fromEntries(header.map((name, column) => [name, cells[column]]));
  return { number, line, document, excerpt };
}

function typedDocument(
  columns: readonly Column[],
  record: CsvRecord | ReadFailure,
  notes: CsvNotes | undefined,
): Entry {
  if ("error" in record) return record;
  const { number, line, cells, excerpt } = record;
  const fields: [string, unknown][] = [];
  for (const [index, column] of columns.entries()) {
    const cell = cells[index]!;
    const value = cellValue(cell, column.type);
    if (typeof value === "string" && column.type !== "string") {
      if (column.isGiven) {
        const why = `The cell ${show(cell)} of the column ${show(column.name)} must be a ${column.type}`;
        return failure({ number, line }, why, excerpt);
      }
      if (notes !== undefined) noteDrift(notes.drifts, column, line, cell);
    }
    fields.push([column.name, value]);
  }
  return { number, line, document: Object.fromEntries(fields), excerpt };
}

function noteDrift(drifts: Map<string, TypeDrift>, { name, type }: Column, line: number, cell: string): void {
  const known = drifts.get(name);
  if (known === undefined) drifts.set(name, { type, firstLine: line, example: cell, cells: 1 });
  else known.cells++;
}
