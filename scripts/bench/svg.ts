/** What all charts share. Greys and colours stand out on a white page and on a dark one, so that one picture serves both. */
export const WIDTH = 760;
export const GREY = "#6e7781";
export const COLOURS = ["#1f9d73", "#d1605e", "#4a90c2", "#b08a3e", "#8f7bc4", "#6e7781"];

export interface Place {
  readonly x: number;
  readonly y: number;
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** What a pointer that rests on a shape is told. */
export function hint(content: string): string {
  return `<title>${escaped(content)}</title>`;
}

/** A number as an attribute: a tenth of a pixel is enough. */
export const at = (value: number): string => String(Math.round(value * 10) / 10);

export function text(
  { x, y }: Place,
  content: string,
  anchor: "start" | "middle" | "end" = "middle",
): string {
  return `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

export function line(from: Place, to: Place, stroke: string = `${GREY}55`): string {
  return `<path d="M${at(from.x)} ${at(from.y)}L${at(to.x)} ${at(to.y)}" stroke="${stroke}"/>`;
}

/** Names beside squares of their colours, in one line from the left. */
export function legend(names: readonly string[], { x, y }: Place): string {
  let left = x;
  const parts: string[] = [];
  for (const [i, name] of names.entries()) {
    parts.push(`<rect x="${at(left)}" y="${at(y - 10)}" width="12" height="12" fill="${COLOURS[i]}"/>`);
    parts.push(text({ x: left + 18, y }, name, "start"));
    left += 18 + name.length * 6.6 + 22;
  }
  return parts.join("\n");
}

/** A whole picture, with its title as what is read aloud. */
export function picture(title: string, height: number, parts: readonly string[]): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" ` +
    `font-family="system-ui, sans-serif" font-size="12" fill="${GREY}">\n` +
    `<title>${escaped(title)}</title>\n${parts.join("\n")}\n</svg>\n`
  );
}

/** Rates as people read them: 1.2 M, 35 k, 820. */
export function short(value: number): string {
  if (value >= 1e6) return `${trimmed(value / 1e6)} M`;
  if (value >= 1e3) return `${trimmed(value / 1e3)} k`;
  return trimmed(value);
}

function trimmed(value: number): string {
  return String(Number(value.toPrecision(2)));
}
