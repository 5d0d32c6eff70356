/** PostgreSQL cuts longer identifiers without a word. */
const MAX_IDENTIFIER_BYTES = 63;

/**
 * A string as SQL text. Only for names that were validated and JSON that was made here, never for values.
 * The `E''` form means the same whatever `standard_conforming_strings` says.
 */
export function literal(text: string): string {
  const doubled = text.replaceAll("'", "''");
  return doubled.includes("\\") ? `E'${doubled.replaceAll("\\", "\\\\")}'` : `'${doubled}'`;
}

/**
 * The name of an index in the schema, where tables and indexes of all collections share one space of names
 * of 63 bytes: the beginnings of both names for people, and a hash of the whole for the engine. No
 * collection's name starts with `formdb_`, so none can be in its way.
 */
export function physicalIndexName(collection: string, name: string): string {
  const hash = hash52(`${collection}\0${name}`);
  const readable = `formdb_${collection}_${name}`.replace(/[^A-Za-z0-9_]/g, "_");
  return `${readable.slice(0, MAX_IDENTIFIER_BYTES - hash.length - 1)}_${hash}`;
}

/**
 * The name that an index has for its users, from its name in the schema; undefined where that was cut, or belongs to no
 * index of FormDB.
 */
export function logicalIndexName(collection: string, physicalName: string): string | undefined {
  const start = `formdb_${collection}_`.length;
  const name = physicalName.slice(start, physicalName.lastIndexOf("_"));
  return physicalIndexName(collection, name) === physicalName ? name : undefined;
}

/** 52 bits of two multiply-and-xor hashes of a text (after cyrb53), in base 36. Not for secrets. */
function hash52(text: string): string {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 2654435761);
    b = Math.imul(b ^ unit, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return ((b >>> 0) * 0x100000 + ((a >>> 0) & 0xfffff)).toString(36);
}
