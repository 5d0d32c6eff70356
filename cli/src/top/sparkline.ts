const LEVELS = "▁▂▃▄▅▆▇█";

/** The last values as a line of bars, from 0 to the largest of them; as wide as asked for, with blanks before the first. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width);
  const most = Math.max(0, ...shown);
  const bars = shown.map((value) => {
    if (most === 0 || !(value > 0)) return LEVELS[0];
    return LEVELS[Math.min(LEVELS.length - 1, Math.ceil((value / most) * LEVELS.length) - 1)];
  });
  return bars.join("").padStart(width);
}
