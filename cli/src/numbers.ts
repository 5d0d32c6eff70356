/** A whole number with its thousands apart: `171 075`. */
export function grouped(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(?:\d{3})+$)/g, " ");
}

/** Operations per second, as people read them. */
export function perSecond(operations: number, elapsedMs: number): string {
  const rate = elapsedMs > 0 ? (operations * 1000) / elapsedMs : 0;
  return rate >= 100 || rate === 0 ? grouped(rate) : rate.toFixed(1);
}

/** Seconds with as many digits as mean something. */
export function seconds(elapsedMs: number): string {
  const value = elapsedMs / 1000;
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} s`;
}

/** A part of a whole in percent. */
export function percent(part: number, whole: number): string {
  return `${whole > 0 ? Math.floor((part / whole) * 100) : 0} %`;
}
