import { configError, show } from "../base/options.ts";
import type { Field, Operand, Path, SelectItem, Subject, Term } from "./syntax-tree.ts";

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

/** As people write it, and as its column is called: `name`, `LOWER(name)`, `COUNT(DISTINCT name)`. */
export function subjectText(subject: Subject): string {
  return spellSubject(subject, pathText);
}

/** A text that two of them have in common only if they are the same. */
export function subjectKey(subject: Subject): string {
  return spellSubject(subject, pathKey);
}

/** A subject as the language has it, with its path spelled in a way of one's own. */
export function spellSubject(subject: Subject, spell: (path: Path) => string): string {
  if (subject.type !== "aggregate") return spellField(subject, spell);
  const of = subject.of === undefined ? "*" : spellField(subject.of, spell);
  return subject.function === "COUNT DISTINCT" ? `COUNT(DISTINCT ${of})` : `${subject.function}(${of})`;
}

function spellField({ type, path }: Field, spell: (path: Path) => string): string {
  return type === "path" ? spell(path) : `${type.toUpperCase()}(${spell(path)})`;
}

/** What a column holds. */
export function withoutName({ name: _, ...subject }: SelectItem): Subject {
  return Object.freeze(subject);
}

/** Whether a side of a comparison is a value that comes with the statement. */
export function isOperand(term: Term): term is Operand {
  return !("path" in term) && term.type !== "aggregate";
}
