import type { WriteStream } from "node:tty";

/** The width of a terminal that does not know its own: some say 0, as one in a container without a window does. */
export const DEFAULT_COLUMNS = 80;

/** Writes lines for people: on a terminal, a line that is too long goes on below between two words. */
export function say(stream: WriteStream | NodeJS.WriteStream, text: string): void {
  const lines = text.split("\n");
  const columns = stream.isTTY ? stream.columns || DEFAULT_COLUMNS : Number.POSITIVE_INFINITY;
  stream.write(`${lines.map((line) => wrapped(line, columns)).join("\n")}\n`);
}

/** Breaks a line at blanks. A word that is longer than a line stays whole, and what goes on is indented as it began. */
export function wrapped(line: string, columns: number): string {
  if (line.length <= columns) return line;
  const indent = /^ */.exec(line)![0];
  const lines: string[] = [];
  let current = "";
  for (const word of line.trim().split(" ")) {
    const longer = current === "" ? `${indent}${word}` : `${current} ${word}`;
    if (longer.length > columns && current !== "") {
      lines.push(current);
      current = `${indent}${word}`;
    } else {
      current = longer;
    }
  }
  return [...lines, current].join("\n");
}
