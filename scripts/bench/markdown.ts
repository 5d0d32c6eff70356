import { grouped } from "../../bench/harness/grouped.ts";

/** A table in Markdown. */
export function table(
  columns: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  { numbers = false }: { readonly numbers?: boolean } = {},
): string {
  const line = (cells: readonly (string | number)[]): string => `| ${cells.map(cell).join(" | ")} |`;
  const ruler = columns.map((_, i) => (numbers && i > 0 ? "--:" : "---"));
  return [line(columns), `|${ruler.join("|")}|`, ...rows.map(line)].join("\n");
}

function cell(content: string | number): string {
  const text = typeof content === "number" ? grouped(content) : content;
  return text.replaceAll("|", "\\|");
}
