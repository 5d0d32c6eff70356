import { type ColumnType, cellValue, columnType } from "./column-types.ts";
import { type CsvOptions, type CsvRecord, readCsvTable } from "./csv.ts";
import type { ByteSource, Entry, ReadFailure } from "./entry.ts";

/** From how many records a column's type is decided; they are held in memory together. */
const TYPE_SAMPLE_RECORDS = 1_000;
/** The sample also ends at this many characters, however few records they are. */
const TYPE_SAMPLE_CHARACTERS = 4_000_000;

export interface CsvDocumentOptions extends CsvOptions {
  /** Whether columns of numbers and of `true` and `false` become such, and empty cells null. */
  readonly inferTypes: boolean;
  /** Columns that stay text whatever is in them: those that hold ids. */
  readonly textColumns?: readonly string[];
}

/** CSV text as documents: a field for each column, in the order of the header. */
export async function* readCsv(source: ByteSource, options: CsvDocumentOptions): AsyncGenerator<Entry> {
  const { header, records } = await readCsvTable(source, options);
  if (!options.inferTypes) {
    for await (const record of records) yield "error" in record ? record : textDocument(header, record);
    return;
  }
  const rest = records[Symbol.asyncIterator]();
  const sample = await take(rest);
  const types = header.map((name, column): ColumnType => {
    if (options.textColumns?.includes(name)) return "string";
    return columnType(cellsOf(sample, column));
  });
  for (const record of sample) yield "error" in record ? record : typedDocument(header, types, record);
  for await (const record of { [Symbol.asyncIterator]: () => rest }) {
    yield "error" in record ? record : typedDocument(header, types, record);
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

function textDocument(header: readonly string[], { number, line, cells }: CsvRecord): Entry {
  return { number, line, document: Object.fromEntries(header.map((name, column) => [name, cells[column]])) };
}

function typedDocument(
  header: readonly string[],
  types: readonly ColumnType[],
  { number, line, cells }: CsvRecord,
): Entry {
  const fields = header.map((name, column) => [name, cellValue(cells[column]!, types[column]!)]);
  return { number, line, document: Object.fromEntries(fields) };
}
