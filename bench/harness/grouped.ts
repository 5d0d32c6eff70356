/** A number as people read it: 1 000 000, 12.5. */
export function grouped(value: number): string {
  return value.toLocaleString("en").replaceAll(",", " ");
}
