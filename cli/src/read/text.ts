import { isUtf8 } from "node:buffer";

/** The three bytes with which some editors begin a UTF-8 file. */
const BOM: Uint8Array = Uint8Array.of(0xef, 0xbb, 0xbf);

/** The text of bytes, or undefined where they are no UTF-8. */
export function decodeUtf8(bytes: Buffer): string | undefined {
  return isUtf8(bytes) ? bytes.toString("utf8") : undefined;
}

/** Bytes without a byte order mark at their start, as one-piece `Buffer` views. */
export async function* withoutBom(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let start: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of source) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (start === undefined) {
      yield bytes;
      continue;
    }
    start = start.length === 0 ? bytes : Buffer.concat([start, bytes]);
    if (start.length < BOM.length && start.equals(BOM.subarray(0, start.length))) continue;
    yield start.subarray(0, BOM.length).equals(BOM) ? start.subarray(BOM.length) : start;
    start = undefined;
  }
  if (start !== undefined && start.length > 0) yield start;
}

/** What was looked at of a source, and all of it with the rest. */
export interface Peeked<Bytes extends Uint8Array> {
  readonly head: Uint8Array;
  readonly all: AsyncIterable<Bytes | Buffer>;
}

/** Reads from the beginning of a source until `isEnough` says so of what is there, or the source ends. */
export async function peek<Bytes extends Uint8Array>(
  source: AsyncIterable<Bytes>,
  isEnough: (head: Uint8Array, isAll: boolean) => boolean,
): Promise<Peeked<Bytes>> {
  const rest = source[Symbol.asyncIterator]();
  let head: Bytes | Buffer = Buffer.alloc(0);
  for (let ended = false; !isEnough(head, ended) && !ended; ) {
    const next = await rest.next();
    ended = next.done === true;
    if (next.done !== true) head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  return {
    head,
    all: (async function* (): AsyncGenerator<Bytes | Buffer> {
      if (head.length > 0) yield head;
      yield* { [Symbol.asyncIterator]: () => rest };
    })(),
  };
}
