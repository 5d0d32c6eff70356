import pg from "pg";

/** Turns a column's text into a value. */
export type ColumnDecoder = (text: string) => unknown;

/** Documents stay text, and are parsed once, by whoever knows what they are. */
const asText: ColumnDecoder = (text) => text;

/** Numbers that a double can't hold stay text rather than change. */
const asInteger: ColumnDecoder = (text) => {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : text;
};

/** By the type's OID in `pg_type`: bool, int8, int2, int4, oid, float4, float8, numeric. */
const DECODERS: ReadonlyMap<number, ColumnDecoder> = new Map<number, ColumnDecoder>([
  [16, (text) => text === "t"],
  [20, asInteger],
  [21, Number],
  [23, Number],
  [26, Number],
  [700, Number],
  [701, Number],
  [1700, Number],
]);

export function decoderOf(typeOid: number): ColumnDecoder {
  return DECODERS.get(typeOid) ?? asText;
}

/** A whole number, a BigInt where a double can't hold it. */
const asExactInteger: ColumnDecoder = (text) => {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
};

const INT8 = 20;

/** What the driver makes of a type, as its `pg.types` has it; but for whole numbers, which it gives as text. */
export function rawDecoderOf(typeOid: number): ColumnDecoder {
  return typeOid === INT8 ? asExactInteger : (pg.types.getTypeParser(typeOid, "text") as ColumnDecoder);
}

/** A value in the protocol's text form. An array becomes one of PostgreSQL's, an object JSON. */
export function encodeValue(value: unknown): string | Buffer | null {
  switch (typeof value) {
    case "string":
      return value;
    case "number":
    case "boolean":
    case "bigint":
      return String(value);
    case "undefined":
      return null;
    default:
      if (value === null || Buffer.isBuffer(value)) return value;
      if (value instanceof Date) return value.toISOString();
      if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      return Array.isArray(value) ? `{${value.map(encodeElement).join(",")}}` : JSON.stringify(value);
  }
}

function encodeElement(value: unknown): string {
  const text = encodeValue(value);
  if (Array.isArray(value)) return String(text);
  if (Buffer.isBuffer(text)) return `"\\\\x${text.toString("hex")}"`;
  return text === null ? "NULL" : `"${String(text).replace(/["\\]/g, "\\$&")}"`;
}
