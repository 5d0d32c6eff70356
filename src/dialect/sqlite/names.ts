/** The name of an index in SQLite's schema, where indexes of all tables share one space of names. */
export function indexName(collection: string, name: string): string {
  return `formdb_index_${collection}.${name}`;
}

/** A string as SQL text. Only for names that were validated and JSON that was made here, never for values. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
