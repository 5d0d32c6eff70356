import { configError, show } from "../base/options.ts";
import type { Path } from "./syntax-tree.ts";

const PATH = /^[^.[\]`]+(?:\.[^.[\]`]+|\[\d{1,9}\])*$/;

/** The path that a text such as `address.city` or `tags[0]` names. Any word may be a name here. */
export function parsePath(text: string): Path {
  if (!PATH.test(text)) {
    throw configError(`A path must look like "name", "address.city" or "tags[0]", unlike ${show(text)}`);
  }
  return [...text.matchAll(/\[(\d+)\]|[^.[\]]+/g)].map(([part, index]) =>
    index === undefined ? part : Number(index),
  );
}

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
