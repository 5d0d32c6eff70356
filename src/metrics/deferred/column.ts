/**
 * Numbers that stand `step` apart in an array, from `start` to before `end`; their value is what stands there divided
 * by `divisor`. Its owner moves `start` and `end`, so that reading many columns allocates nothing.
 */
export interface Column {
  readonly values: Float64Array;
  readonly step: number;
  readonly divisor: number;
  start: number;
  end: number;
}
