import { runQuery } from "./api.ts";
import { byId, element, table } from "./elements.ts";

/** A browser shows no more at once without getting slow. */
const MAX_ROWS = 200;

/** The query box: it runs a query, or shows its plan as a tree. */
export class QueryBox {
  readonly #text = byId<HTMLTextAreaElement>("query-text");
  readonly #params = byId<HTMLInputElement>("query-params");
  readonly #result = byId("query-result");
  /** The number of the last run: an answer to an earlier one comes too late. */
  #run = 0;

  constructor() {
    const form = byId<HTMLFormElement>("query-form");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#ask(false);
    });
    byId("explain").addEventListener("click", () => {
      if (form.reportValidity()) void this.#ask(true);
    });
    this.#text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
  }

  /** Shows the plan of a statement's shape, with examples in place of its values. */
  explain(shape: string): void {
    const placeholders = new Set(shape.match(/\$\d+|\?/g) ?? []).size;
    this.#text.value = withExamples(shape);
    this.#params.value = placeholders === 0 ? "" : JSON.stringify(new Array(placeholders).fill(""));
    byId("query").scrollIntoView();
    this.#text.focus();
    void this.#ask(true);
  }

  async #ask(asPlan: boolean): Promise<void> {
    const run = ++this.#run;
    this.#say("", asPlan ? "Asking for the plan …" : "Running …");
    this.#result.replaceChildren();
    try {
      const text = this.#text.value.trim();
      const params = this.#params.value.trim() === "" ? "[]" : checked(this.#params.value);
      const query = asPlan && !/^explain\b/i.test(text) ? `EXPLAIN ${text}` : text;
      const asked = performance.now();
      const { rows, rowCount } = await runQuery(query, params);
      if (run !== this.#run) return;
      const took = `${(performance.now() - asked).toFixed(1)} ms`;
      if (/^explain\b/i.test(query)) {
        this.#say("", "The plan:");
        this.#result.append(
          element("pre", { class: "plan" }, rows.map(({ plan }) => String(plan)).join("\n")),
        );
        return;
      }
      const first = rows.length > MAX_ROWS ? `, the first ${MAX_ROWS} shown` : "";
      this.#say("", `${rows.length > 0 ? rows.length : rowCount} rows in ${took}${first}`);
      if (rows.length > 0) this.#result.append(tableOf(rows.slice(0, MAX_ROWS)));
    } catch (error) {
      if (run === this.#run) this.#say((error as Error).message, "");
    }
  }

  #say(error: string, outcome: string): void {
    byId("query-error").textContent = error;
    byId("query-outcome").textContent = outcome;
  }
}

/** A shape as a query: `#0` stands for a literal that was lifted out of the text. */
function withExamples(shape: string): string {
  return shape
    .replace(/\b(LIMIT|OFFSET) #\d+/g, "$1 10")
    .replace(/\bIN \(?#\d+\)?/g, "IN ('')")
    .replace(/#\d+/g, "''");
}

function checked(json: string): string {
  try {
    JSON.parse(json);
    return json;
  } catch (error) {
    throw new Error(`The parameters must be JSON, such as ["FR", 10]: ${(error as Error).message}`);
  }
}

type ResultRow = Readonly<Record<string, unknown>>;

function tableOf(rows: readonly ResultRow[]): HTMLElement {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const columns = names.map((name) => ({ head: name, cell: (row: ResultRow) => cellOf(row, name) }));
  return table("Rows of the query", columns, rows);
}

function cellOf(row: ResultRow, name: string): string {
  // A row without the field is not to show what every object has by that name.
  if (!Object.hasOwn(row, name)) return "";
  const value = row[name];
  return typeof value === "string" ? value : JSON.stringify(value);
}
