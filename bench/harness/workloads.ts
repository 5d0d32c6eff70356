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

/**
 * Access patterns, as texts, for a cache of `size` plans: what each does to LRU is known. "Drift" moves Zipf's ranks by
 * a tenth of the cache every ten times its size of look-ups.
 */
export function hitRatioPatterns(size: number): Record<string, string[]> {
  const length = 100 * size;
  const text = (i: number): string => `SELECT a FROM c${i} WHERE b = $1`;
  const popular = zipf(10 * size, 0.9, 7, length);
  const drifting = (step: number, every: number): string[] =>
    Array.from(popular, (rank, i) => text((rank + Math.floor(i / every) * step) % (20 * size)));
  const reshuffled = Array.from(popular, (rank, i) => text(rank + Math.floor(i / (20 * size)) * 10 * size));
  let fresh = 1e6;
  return {
    "loop, 1.2 times the cache": Array.from({ length }, (_, i) => text(i % Math.floor(1.2 * size))),
    "loop, 2 times the cache": Array.from({ length }, (_, i) => text(i % (2 * size))),
    "Zipf with scans of 2 times the cache": Array.from(popular, (rank, i) =>
      text(i % (6 * size) < 4 * size ? rank : fresh++),
    ),
    "Zipf, half of all texts used once": Array.from(popular, (rank, i) => text(i % 2 === 0 ? rank : fresh++)),
    Zipf: Array.from(popular, text),
    "Zipf, drifting slowly": drifting(size / 10, 10 * size),
    "Zipf, drifting fast": drifting(size / 5, 2 * size),
    "Zipf, new popularity every 20 sizes": reshuffled,
  };
}
