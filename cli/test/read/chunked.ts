import fc from "fast-check";
import type { Entry } from "../../src/read/entry.ts";

/** Bytes cut at the given places, as a source of chunks. */
export async function* chunked(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const place of [...places, bytes.length]) {
    yield Uint8Array.from(bytes.subarray(from, place));
    from = place;
  }
}

export const cuts: fc.Arbitrary<number[]> = fc.array(fc.nat({ max: 5_000 }), { maxLength: 40 });

/** A source of one chunk. */
export function source(text: string | Uint8Array): AsyncGenerator<Uint8Array> {
  return chunked(typeof text === "string" ? Buffer.from(text) : text, []);
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

export async function documentsOf(entries: AsyncIterable<Entry>): Promise<Record<string, unknown>[]> {
  const all = await collect(entries);
  return all.map((entry) => {
    if (entry.error !== undefined) throw entry.error;
    return entry.document;
  });
}

/** Each entry in a few words: its line, and `ok` or the text that was refused. */
export async function outline(entries: AsyncIterable<Entry>): Promise<string[]> {
  const all = await collect(entries);
  return all.map((entry, index) => {
    if (entry.number !== index + 1) throw new Error(`entry ${index} has the number ${entry.number}`);
    return entry.error === undefined
      ? `${entry.line}: ${JSON.stringify(entry.document)}`
      : `${entry.line}: ${entry.error.code}: ${entry.excerpt.text}`;
  });
}

/** Documents as JSON has them: what a text can hold and give back the same. */
export const jsonDocument: fc.Arbitrary<Record<string, unknown>> = fc
  .dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue())
  .map((value) => JSON.parse(JSON.stringify(value, withoutLargeIntegers)) as Record<string, unknown>);

/** Integers beyond 2^53 - 1 are refused, so they have tests of their own. */
function withoutLargeIntegers(_name: string, value: unknown): unknown {
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? 0.5 : value;
}
