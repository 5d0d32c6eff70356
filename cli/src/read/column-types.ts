/**
 * What the cells of a CSV column are read as. A column is decided as a whole from its first records, so that
 * `02139` among numbers makes a column of strings and not of both.
 */
export type ColumnType = "number" | "boolean" | "string";

export const COLUMN_TYPES: readonly ColumnType[] = ["number", "boolean", "string"];

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const INTEGER = /^-?\d+$/;
const BOOLEAN = /^(?:true|false)$/i;

/** The type that all cells of a sample have; empty cells have no say, and without others it is text. */
export function columnType(cells: Iterable<string>): ColumnType {
  let type: ColumnType | undefined;
  for (const cell of cells) {
    if (cell === "") continue;
    const found = typeOf(cell);
    if (found === "string" || (type !== undefined && type !== found)) return "string";
    type = found;
  }
  return type ?? "string";
}

/**
 * A cell's value under its column's type. Empty is null. A cell that its column's type does not fit, which
 * can only come after the sample, stays the text that it is: nothing is lost or rounded.
 */
export function cellValue(cell: string, type: ColumnType): string | number | boolean | null {
  if (cell === "") return null;
  if (type === "string" || typeOf(cell) !== type) return cell;
  return type === "number" ? Number(cell) : cell.toLowerCase() === "true";
}

function typeOf(cell: string): ColumnType {
  if (BOOLEAN.test(cell)) return "boolean";
  if (!NUMBER.test(cell)) return "string";
  const value = Number(cell);
  return (INTEGER.test(cell) ? Number.isSafeInteger(value) : Number.isFinite(value)) ? "number" : "string";
}

const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|[\da-f]{0,4}(?::[\da-f]{0,4}){2,7})(?:\/\d+)?$/i;
const DATE = /^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ].*)?$|^\d{1,2}[-/.]\d{1,2}[-/.]\d{4}$/;

/** Whether a cell is a number, an IP address or a date: names of columns seldom are. */
export function looksLikeData(cell: string): boolean {
  return NUMBER.test(cell) || ADDRESS.test(cell) || DATE.test(cell);
}
