import { encodeValue, MAX_VALUES } from "./column-decoders.ts";

const BIND = 0x42;
const EXECUTE = 0x45;
const SYNC = 0x53;
/** The lengths of what is around a Bind message's name and values, and of the two messages behind it. */
const AROUND_VALUES = 1 + 4 + 1 + 1 + 2 + 2 + 2;
const EXECUTE_AND_SYNC = 10 + 5;

/**
 * The call of a statement that the server has prepared, as one piece: Bind, Execute and Sync of PostgreSQL's protocol, with
 * all values and columns as text. Undefined if a value is bytes, which travel in binary, or if there are too many.
 */
export function callMessage(name: string, values: readonly unknown[]): Buffer | undefined {
  if (values.length > MAX_VALUES) return undefined;
  const texts = new Array<string | null>(values.length);
  let size = AROUND_VALUES + name.length + EXECUTE_AND_SYNC + 4 * values.length;
  for (let i = 0; i < values.length; i++) {
    const text = encodeValue(values[i]);
    if (typeof text === "object" && text !== null) return undefined;
    texts[i] = text;
    if (text !== null) size += Buffer.byteLength(text);
  }
  const message = Buffer.allocUnsafe(size);
  let at = message.writeUInt8(BIND, 0);
  at = message.writeInt32BE(size - EXECUTE_AND_SYNC - 1, at);
  // The portal without a name, the statement, and no formats: all values are text.
  at = message.writeUInt8(0, at);
  at += message.write(name, at, "latin1");
  at = message.writeUInt8(0, at);
  at = message.writeInt16BE(0, at);
  at = message.writeUInt16BE(values.length, at);
  for (const text of texts) {
    if (text === null) {
      at = message.writeInt32BE(-1, at);
      continue;
    }
    const length = message.write(text, at + 4, "utf8");
    at = message.writeInt32BE(length, at) + length;
  }
  at = message.writeInt16BE(0, at);
  at = message.writeUInt8(EXECUTE, at);
  at = message.writeInt32BE(9, at);
  // The same portal, and all of its rows.
  at = message.writeUInt8(0, at);
  at = message.writeInt32BE(0, at);
  at = message.writeUInt8(SYNC, at);
  message.writeInt32BE(4, at);
  return message;
}
