/** The element of an id that the page's document has. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

/** A new element. Strings become text, never markup. */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

/** A column: its head, and what it shows of a row. Numbers are to the right, and so is the head above them. */
export interface Column<R> {
  readonly head: string;
  readonly cell: (row: R) => Node | string | number;
  readonly className?: string;
}

export function table<R>(caption: string, columns: readonly Column<R>[], rows: readonly R[]): HTMLElement {
  const contents = rows.map((row) => columns.map(({ cell }) => cell(row)));
  const classes = columns.map(
    ({ className }, i) => className ?? (contents.some((row) => typeof row[i] === "number") ? "number" : ""),
  );
  const heads = columns.map(({ head }, i) =>
    element("th", { scope: "col", class: classes[i] === "number" ? "number" : "" }, head),
  );
  const lines = contents.map((row) =>
    element(
      "tr",
      {},
      ...row.map((content, i) =>
        element("td", { class: classes[i]! }, typeof content === "number" ? shown(content) : content),
      ),
    ),
  );
  return element(
    "table",
    { "aria-label": caption },
    element("thead", {}, element("tr", {}, ...heads)),
    element("tbody", {}, ...lines),
  );
}

/** A number as people read it: whole from 10 on, two digits that mean something below. */
export function shown(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 10) {
    return Math.round(value).toLocaleString("en-US").replaceAll(",", " ");
  }
  return String(Number(value.toPrecision(2)));
}
