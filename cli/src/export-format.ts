/** What `formdb export` writes. */
export type ExportFormat = "ndjson" | "json" | "csv";

export const EXPORT_FORMATS: readonly ExportFormat[] = ["ndjson", "json", "csv"];
