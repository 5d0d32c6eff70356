import type { Row } from "../base/document.ts";
import type { ColumnForm } from "../dialect/expression-dialect.ts";

/** Makes a row of what the engine gives for its columns. */
export type Decode = (columns: readonly unknown[]) => Row;

const QUOTE = 0x22;
const SPACE = 0x20;

/** A whole document from its key and its JSON text. */
export function decodeDocument(columns: readonly unknown[]): Row {
  return parseDocument(columns[0] as string, columns[1] as string);
}

/** A stored document as users see it: its key is its first field `id`, a string even if a number was given for it. */
export function parseDocument(id: string, text: string): Row {
  if (text.startsWith('{"id":') && text.charCodeAt(text.charCodeAt(6) === SPACE ? 7 : 6) === QUOTE) {
    return JSON.parse(text) as Row;
  }
  const row: Row = { id, ...(JSON.parse(text) as Row) };
  row.id = id;
  return row;
}

/** The decoder for columns of these names and forms. */
export function rowDecoder(columns: readonly { readonly name: string; readonly form: ColumnForm }[]): Decode {
  const names = columns.map(({ name }) => name);
  const readers = columns.map(({ form }) => READERS[form]);
  if (names.includes("__proto__")) {
    // An assignment would set the prototype.
    return (values) => Object.fromEntries(names.map((name, i) => [name, readers[i]!(values[i])]));
  }
  const count = names.length;
  return (values) => {
    const row: Row = {};
    for (let i = 0; i < count; i++) row[names[i]!] = readers[i]!(values[i]);
    return row;
  };
}

const READERS: Readonly<Record<ColumnForm, (value: unknown) => unknown>> = Object.freeze({
  text: (value: unknown): unknown => value,
  number: (value: unknown): unknown => (value === null ? null : Number(value)),
  json: readJson,
});

/** JSON text; SQLite may give a number or null for itself. Plain strings, the most frequent, are cut out. */
function readJson(value: unknown): unknown {
  if (typeof value !== "string") return value;
  if (value.charCodeAt(0) === QUOTE && !value.includes("\\")) return value.slice(1, -1);
  return JSON.parse(value);
}
