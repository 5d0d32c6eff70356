/**
 * The value that a share of the observations does not exceed, from 0 to 1, estimated as Prometheus'
 * `histogram_quantile` does: values are taken as evenly spread within a bucket. Knowing the largest value
 * makes the last bucket finite. 0 without observations.
 */
export function percentile(
  share: number,
  bounds: ArrayLike<number>,
  counts: ArrayLike<number>,
  max: number,
): number {
  let total = 0;
  for (let i = 0; i < counts.length; i++) total += counts[i]!;
  if (total === 0) return 0;
  const rank = share * total;
  let below = 0;
  for (let i = 0; i < counts.length; i++) {
    const inBucket = counts[i]!;
    if (inBucket > 0 && below + inBucket >= rank) {
      const upper = i < bounds.length ? Math.min(bounds[i]!, max) : max;
      const lower = Math.min(i === 0 ? Math.min(0, bounds[0]!) : bounds[i - 1]!, upper);
      return lower + (upper - lower) * Math.max(0, (rank - below) / inBucket);
    }
    below += inBucket;
  }
  return max;
}
