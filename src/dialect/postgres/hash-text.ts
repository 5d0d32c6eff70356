/**
 * PostgreSQL's `hashtext`: the 32 bits, signed, by which a hash index, and Citus for its shards, places a text. It is
 * Bob Jenkins' lookup3 (2006) over the bytes of the text, in the little-endian form that PostgreSQL's `hash_bytes`
 * has.
 */
export function hashText(text: string): number {
  const bytes = encoder.encode(text);
  const { length } = bytes;
  let a = (0x9e3779b9 + length + 3_923_095) | 0;
  let b = a;
  let c = a;
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  let at = 0;
  for (; length - at >= 12; at += 12) {
    a = (a + view.getInt32(at, true)) | 0;
    b = (b + view.getInt32(at + 4, true)) | 0;
    c = (c + view.getInt32(at + 8, true)) | 0;
    a = (a - c) ^ rotate(c, 4);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 6);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 8);
    b = (b + a) | 0;
    a = (a - c) ^ rotate(c, 16);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 19);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 4);
    b = (b + a) | 0;
  }
  // The lowest byte of c is kept for the length, so its bytes are one place higher.
  for (let i = 0; at + i < length; i++) {
    const byte = bytes[at + i]!;
    if (i < 4) a = (a + (byte << (8 * i))) | 0;
    else if (i < 8) b = (b + (byte << (8 * (i - 4)))) | 0;
    else c = (c + (byte << (8 * (i - 7)))) | 0;
  }
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  return ((c ^ b) - rotate(b, 24)) | 0;
}

/** Which of so many shards of equal ranges, from 0, holds an id. */
export function shardOf(id: string, shards: number): number {
  const width = Math.floor(2 ** 32 / shards);
  return Math.min(shards - 1, Math.floor((hashText(id) + 2 ** 31) / width));
}

const encoder = new TextEncoder();

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
