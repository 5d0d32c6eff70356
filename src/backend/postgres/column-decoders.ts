import pg from "pg";
import { FormDBError, messageOf } from "../../base/errors.ts";

/** As many values as a message can count. */
export const MAX_VALUES = 0xffff;

/** Turns a column's text, from `start` to `end` of the bytes, into a value. */
export type ColumnDecoder = (bytes: Buffer, start: number, end: number) => unknown;

/** Documents stay text, and are parsed once, by whoever knows what they are. */
const asText = (bytes: Buffer, start: number, end: number): string => bytes.toString("utf8", start, end);

const asNumber = (bytes: Buffer, start: number, end: number): number =>
  Number(bytes.toString("latin1", start, end));

/** Numbers that a double can't hold stay text rather than change. */
const asInteger: ColumnDecoder = (bytes, start, end) => {
  const value = asNumber(bytes, start, end);
  return Number.isSafeInteger(value) ? value : asText(bytes, start, end);
};

const TRUE = 0x74;

/** By the type's OID in `pg_type`: bool, int8, int2, int4, oid, float4, float8, numeric. */
const DECODERS: ReadonlyMap<number, ColumnDecoder> = new Map<number, ColumnDecoder>([
  [16, (bytes, start) => bytes[start] === TRUE],
  [20, asInteger],
  [21, asNumber],
  [23, asNumber],
  [26, asNumber],
  [700, asNumber],
  [701, asNumber],
  [1700, asNumber],
]);

export function decoderOf(typeOid: number): ColumnDecoder {
  return DECODERS.get(typeOid) ?? asText;
}

/** A whole number, a BigInt where a double can't hold it. */
const asExactInteger: ColumnDecoder = (bytes, start, end) => {
  const value = asNumber(bytes, start, end);
  return Number.isSafeInteger(value) ? value : BigInt(asText(bytes, start, end));
};

const INT8 = 20;

/** What the driver makes of a type, as its `pg.types` has it; but for whole numbers, which it gives as text. */
export function rawDecoderOf(typeOid: number): ColumnDecoder {
  if (typeOid === INT8) return asExactInteger;
  const parse = pg.types.getTypeParser(typeOid, "text");
  return (bytes, start, end) => parse(asText(bytes, start, end));
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

/** The values of a user's own statement as they travel. Throws `FORMDB_PARAMETER_MISMATCH` for what can't be sent. */
export function encodeValues(values: readonly unknown[]): (string | Buffer | null)[] {
  if (values.length > MAX_VALUES) {
    throw unsendable(`a statement takes at most ${MAX_VALUES} values, not ${values.length}`, undefined);
  }
  return values.map((value, i) => {
    try {
      return encodeValue(value);
    } catch (error) {
      throw unsendable(`number ${i + 1} can't be written as a text: ${messageOf(error)}`, error);
    }
  });
}

function unsendable(why: string, cause: unknown): FormDBError {
  return new FormDBError("FORMDB_PARAMETER_MISMATCH", `The statement can't be given its values: ${why}`, {
    cause,
  });
}

function encodeElement(value: unknown): string {
  const text = encodeValue(value);
  if (Array.isArray(value)) return String(text);
  if (Buffer.isBuffer(text)) return `"\\\\x${text.toString("hex")}"`;
  return text === null ? "NULL" : `"${String(text).replace(/["\\]/g, "\\$&")}"`;
}
