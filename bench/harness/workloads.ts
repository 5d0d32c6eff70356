/** Random numbers from 0 up to 1 that are the same for the same seed on every machine (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * `length` ranks from 0 to `size` - 1 by Zipf's law: rank r comes up in proportion to 1 / (r + 1) ** exponent.
 */
export function zipf(size: number, exponent: number, seed: number, length: number): Uint32Array {
  const random = seededRandom(seed);
  const cumulative = new Float64Array(size);
  let sum = 0;
  for (let rank = 0; rank < size; rank++) {
    sum += 1 / (rank + 1) ** exponent;
    cumulative[rank] = sum;
  }
  return Uint32Array.from({ length }, () => firstAbove(cumulative, random() * sum));
}

/** Distinct texts as long as people's SQL: about 100 to 200 characters, alike at both ends. */
export function sqlTexts(count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const columns = Array.from({ length: 4 + (i % 8) }, (_, c) => `field_${(i * 7 + c * 13) % 97}`).join(
      ", ",
    );
    return `SELECT ${columns} FROM collection_${i} WHERE status = $1 AND created_at > $2 ORDER BY created_at DESC LIMIT 50`;
  });
}

function firstAbove(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
