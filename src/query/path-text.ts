import type { Path } from "./syntax-tree.ts";

/** A path as people write it, without back-quotes: `a.b`, `tags[0]`. The name of a column that is given none. */
export function pathText(path: Path): string {
  let text = "";
  for (const segment of path) {
    if (typeof segment === "number") text += `[${segment}]`;
    else text += text === "" ? segment : `.${segment}`;
  }
  return text;
}

/** A text that two paths have in common only if they are equal. */
export function pathKey(path: Path): string {
  return JSON.stringify(path);
}
