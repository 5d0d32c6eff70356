/** A name as SQL text, whatever is in it: quotes are doubled. The one place where names become SQL for SQLite. */
export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
