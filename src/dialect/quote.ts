/**
 * A name as SQL text, whatever is in it: quotes are doubled, as SQL's standard has it. The one place where names
 * become SQL.
 */
export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
