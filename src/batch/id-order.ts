/** Compares two strings by code point, as both engines sort text. (JavaScript compares UTF-16 units.) */
export function compareCodePoints(a: string, b: string): number {
  if (a === b) return 0;
  const end = Math.min(a.length, b.length);
  let i = 0;
  while (i < end && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  if (i === end) return a.length - b.length;
  const x = a.charCodeAt(i);
  const y = b.charCodeAt(i);
  const xIsSurrogate = (x & 0xf800) === 0xd800;
  const yIsSurrogate = (y & 0xf800) === 0xd800;
  // A surrogate belongs to a code point above every other unit's.
  if (xIsSurrogate !== yIsSurrogate) return xIsSurrogate ? 1 : -1;
  return x - y;
}

/** Sorts by id in code point order, in place. Ids that come in order, as generated ones do, cost one pass. */
export function sortById<T extends { readonly id: string }>(items: T[]): T[] {
  for (let i = 1; i < items.length; i++) {
    if (compareCodePoints(items[i - 1]!.id, items[i]!.id) > 0) {
      return items.sort((a, b) => compareCodePoints(a.id, b.id));
    }
  }
  return items;
}
