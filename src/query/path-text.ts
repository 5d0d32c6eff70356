import { isStorableText } from "../base/document.ts";
import { configError, show } from "../base/options.ts";
import {
  type Field,
  type IndexPath,
  isPlace,
  type Path,
  pathText,
  type Subject,
  type WidePath,
} from "../base/subject.ts";
import { MAX_PATH_ARRAYS, MAX_PATH_SEGMENTS } from "./limits.ts";
import type { Operand, SelectItem, Term } from "./syntax-tree.ts";

const PATH = /^[^.[\]`]+(?:\.[^.[\]`]+|\[(?:\d{1,9}|\*)\])*$/;
const CASE = /^(?:LOWER|UPPER)\(/i;

/** The path that a text such as `address.city` or `tags[0]` names. Any word may be a name here. */
export function parsePath(text: string): Path {
  const path = parseWidePath(text);
  if (isPlace(path)) return path;
  throw configError(`A path must name one place here, without [*], unlike ${show(text)}`);
}

/** As `parsePath`, of a text that may have `[*]` for each element of an array, as in `items[*].sku`. */
export function parseWidePath(text: string): WidePath {
  if (!PATH.test(text)) {
    throw configError(`A path must look like "name", "address.city" or "tags[0]", unlike ${show(text)}`);
  }
  if (!isStorableText(text)) {
    throw configError(
      `A path must be well-formed Unicode without U+0000, as no document has other names, unlike ${show(text)}`,
    );
  }
  if (CASE.test(text)) {
    throw configError(
      `A path must name a field, unlike ${show(text)}; LOWER(path) and UPPER(path) stand in createIndex() and in queries as text`,
    );
  }
  const path = [...text.matchAll(/\[(\d+|\*)\]|[^.[\]]+/g)].map(([part, index]) =>
    index === undefined ? part : index === "*" ? null : Number(index),
  );
  if (path.length > MAX_PATH_SEGMENTS) {
    throw configError(
      `A path must have at most ${MAX_PATH_SEGMENTS} names and indexes, not ${path.length}, as in ${show(text)}`,
    );
  }
  if (path.filter((segment) => segment === null).length <= MAX_PATH_ARRAYS) return path;
  throw configError(`A path must have [*] at most ${MAX_PATH_ARRAYS} times, unlike ${show(text)}`);
}

const CASE_OF = /^(LOWER|UPPER)\((.+)\)$/i;

/** What is seldom the name of a field, and what those who write it mean to have. */
const MEANT_OTHERWISE: readonly (readonly [pattern: RegExp, rule: string])[] = [
  [/[()]/, "An index is over paths, LOWER(path) and UPPER(path), and over no other function"],
  [/(?:^|\.)\*(?:\.|$)/, "Each element of an array is [*] in a path, as in items[*].sku"],
  [/\s(?:ASC|DESC)$/i, "An index is read in both directions, and its paths have no ASC or DESC"],
  [/,/, "An index over several paths takes an array of them"],
];

/**
 * What an index is over, from a text such as `address.city`, `items[*].sku` or `LOWER(email)`. A name that looks like another
 * function, a direction or several paths is refused; queries as text take it in backticks.
 */
export function parseIndexPath(text: string): IndexPath {
  const [, name, inner] = CASE_OF.exec(text) ?? [];
  const path = inner ?? text;
  const rule = MEANT_OTHERWISE.find(([pattern]) => pattern.test(path))?.[1];
  if (rule !== undefined) {
    throw configError(
      `${rule}, unlike ${show(text)}; a field of that name is indexed by CREATE INDEX, with its name in backticks`,
    );
  }
  if (name === undefined) return parseWidePath(text);
  return { type: name.toUpperCase() === "LOWER" ? "lower" : "upper", path: parsePath(path) };
}

/** A text that two paths have in common only if they are equal. */
export function pathKey(path: WidePath): string {
  return JSON.stringify(path);
}

/**
 * As people write it, and as its column is called: `name`, `LOWER(name)`, `COUNT(DISTINCT name)`. `base` is the text of what
 * paths lead on from.
 */
export function subjectText(subject: Subject, base: string = ""): string {
  return spellSubject(subject, (path) => pathText(path, base));
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
