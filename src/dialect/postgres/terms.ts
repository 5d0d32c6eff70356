import {
  type Field,
  type IndexPath,
  isPlace,
  type Path,
  splitPath,
  type WidePath,
} from "../../base/subject.ts";
import { RANK } from "../value-rank.ts";
import { literal } from "./names.ts";

/** How PostgreSQL spells a value of a document or of a group. */
export interface PostgresTerm {
  /**
   * What indexes hold, and order by first: a `text` in the order of code points that starts with the type's number in
   * `RANK`. It goes on with the text of a boolean and with the start of a string.
   */
  readonly key: string;
  /** What numbers are ordered by; 0 for the others. A `numeric`. */
  readonly number: string;
  /** What strings are ordered by; '' for the others. A `text` in the order of code points. */
  readonly text: string;
  /** Its JSON, a `jsonb`; NULL where there is nothing, but also a JSON null. */
  readonly json: string;
  /** The same as a `text`: a string for itself, and NULL for a JSON null. */
  readonly plain: string;
  /** What `jsonb_typeof` says of it. */
  readonly type: string;
  /**
   * What a unique index holds besides: NULL where no scalar is, and of a text that it does not hold as a whole a
   * digest. Short, since an index's definition has to fit into a row of the catalogue, 8 160 bytes before PostgreSQL
   * 18.
   */
  readonly guard: string;
  /** Whether it is the document's key. */
  readonly isKey: boolean;
  /**
   * Its path from the document, by which conditions may look for it without taking it out; undefined where it is no place in
   * one, and where an index may hold it.
   */
  readonly path: Path | undefined;
  /** How an index may hold it, so that conditions are spelled for one too; undefined if none does. */
  readonly index: IndexedAs | undefined;
  /** What an index over the elements of the array there holds; undefined if there is none. */
  readonly elements: string | undefined;
}

/** First in an index that is known to be there, or in any place of one that may be there. */
export type IndexedAs = "first" | "somewhere";

/** How an index may hold what is at a path, or at a path in each element of an array. */
export type IndexedAt = (path: IndexPath) => IndexedAs | undefined;

/** How an engine's terms are spelled. */
export interface TermSpelling {
  readonly indexedAt: IndexedAt;
  /** Whether a key is spelled by `CASE x WHEN …`. */
  readonly shortCase: boolean;
}

/** What any engine understands, with any index. */
export const ANY_ENGINE: TermSpelling = Object.freeze({ indexedAt: always, shortCase: false });

/** The keys of values that are no strings. */
export const KEY: {
  readonly null: string;
  readonly false: string;
  readonly true: string;
  readonly number: string;
  readonly array: string;
  readonly object: string;
} = Object.freeze({
  null: String(RANK.null),
  false: `${RANK.boolean}false`,
  true: `${RANK.boolean}true`,
  number: String(RANK.number),
  array: String(RANK.array),
  object: String(RANK.object),
});

/** The last letters of the names that `jsonb_typeof` gives to null, arrays and objects. */
const KEY_LETTERS = "lyt";

/** What tells an index over keys, however the engine spells its definition. */
export function keyMark(shortCase: boolean): string {
  return shortCase ? "CASE jsonb_typeof(" : KEY_LETTERS;
}

/**
 * The key of a value, from its type and its text. The short `CASE` asks for the type once and takes the server less to set up for
 * each execution. It would reach the workers of Citus with another meaning: the long one asks for the most frequent types
 * first, and tells null, array and object by their last letters.
 */
function keyOfType(type: string, plain: string, shortCase: boolean): string {
  const string = `'${RANK.string}' || left(${plain}, ${INDEXED_CHARACTERS})`;
  const boolean = `'${RANK.boolean}' || ${plain}`;
  const key = shortCase
    ? `CASE ${type} WHEN 'string' THEN ${string} WHEN 'number' THEN '${KEY.number}' WHEN 'boolean' THEN ${boolean} ` +
      `WHEN 'array' THEN '${KEY.array}' WHEN 'object' THEN '${KEY.object}' ELSE '${KEY.null}' END`
    : `CASE WHEN ${type} = 'string' THEN ${string} WHEN ${type} = 'number' THEN '${KEY.number}' ` +
      `WHEN ${type} = 'boolean' THEN ${boolean} ` +
      `ELSE coalesce(translate(right(${type}, 1), '${KEY_LETTERS}', '${KEY.null}${KEY.array}${KEY.object}'), '${KEY.null}') END`;
  return `(${key} COLLATE "C")`;
}

/** The key of a string; `null` is no string and has none. */
export function stringKey(text: string): string {
  return RANK.string + prefixOf(text);
}

/**
 * How many characters of a text an index holds. PostgreSQL refuses rows whose index entry is longer than 2 704 bytes;
 * so many characters, of at most 4 bytes, of 8 paths stay below that, with number and guard of each.
 */
export const INDEXED_CHARACTERS = 64;

/** The start of a text as `left` gives it. */
export function prefixOf(text: string): string {
  return text.length <= INDEXED_CHARACTERS ? text : Array.from(text).slice(0, INDEXED_CHARACTERS).join("");
}

/** Several names as the text of an array. */
function textArray(names: readonly string[]): string {
  return literal(`{${names.map((name) => `"${name.replace(/["\\]/g, "\\$&")}"`).join(",")}}`);
}

/** Names for which `#>` looks into arrays too. */
const INDEX_LIKE = /^\s*[+-]?\d/;

/**
 * The JSON at a path, and the same as text. `->` and `#>` are quick, but `->` with a number takes a scalar for an
 * array of one, and `#>` takes the name "0" for an index; a strict JSON path does neither.
 */
function spell(root: string, path: Path): { readonly json: string; readonly text: string } {
  if (path.length === 0) return { json: root, text: `(${root} #>> '{}')` };
  if (path.length === 1 && typeof path[0] === "string") {
    return { json: `(${root} -> ${literal(path[0])})`, text: `(${root} ->> ${literal(path[0])})` };
  }
  if (path.every((part): part is string => typeof part === "string" && !INDEX_LIKE.test(part))) {
    return { json: `(${root} #> ${textArray(path)})`, text: `(${root} #>> ${textArray(path)})` };
  }
  const json = `jsonb_path_query_first(${root}, ${literal(`strict $${jsonSteps(path)}`)}, '{}', true)`;
  return { json, text: `(${json} #>> '{}')` };
}

/** A path as a JSON path has it behind its `$` or `@`. */
export function jsonSteps(path: Path): string {
  return path.map((part) => (typeof part === "number" ? `[${part}]` : `.${JSON.stringify(part)}`)).join("");
}

/** The element by which an index says that the place holds a text, and no array. */
const TEXT_INSTEAD = '{"formdb": "text"}';

/**
 * What an index over the elements of arrays holds: an array of all that is at these places. Its `@>` finds a scalar among
 * them exactly, and arrays and objects that hold others. A step that an element lacks would end a strict JSON path for the
 * elements behind it too, so those are left out by a filter before each step. Of one array it also says whether there is a
 * text instead, in which `CONTAINS` looks.
 */
export function elementsOf(path: WidePath): string {
  const { arrays, rest } = splitPath(path);
  const [first, ...others] = arrays;
  let steps = `strict $${jsonSteps(first!)}[*]`;
  for (const path of others) steps += ` ? (exists (@${jsonSteps(path)}[*]))${jsonSteps(path)}[*]`;
  if (rest.length > 0) steps += ` ? (exists (@${jsonSteps(rest)}))${jsonSteps(rest)}`;
  const values = `jsonb_path_query_array(doc, ${literal(steps)}, '{}', true)`;
  if (arrays.length > 1 || rest.length > 0) return `(${values})`;
  const type = `jsonb_typeof(${spell("doc", first!).json})`;
  return `(CASE WHEN ${type} = 'string' THEN '[${TEXT_INSTEAD}]'::jsonb ELSE ${values} END)`;
}

/** Whether what `elementsOf` spells may stand for a text in place of the array. */
export function isTextInstead(elements: string): string {
  return `${elements} @> '[${TEXT_INSTEAD}]'::jsonb`;
}

/** The term of a `jsonb` expression. */
export function jsonTerm(
  json: string,
  shortCase: boolean,
  plain: string = `(${json} #>> '{}')`,
): PostgresTerm {
  const type = `jsonb_typeof(${json})`;
  return {
    key: keyOfType(type, plain, shortCase),
    number: `(CASE WHEN ${type} = 'number' THEN ${json}::numeric ELSE 0::numeric END)`,
    text: `(CASE WHEN ${type} = 'string' THEN ${plain} ELSE '' END COLLATE "C")`,
    json,
    plain,
    type,
    guard:
      `(CASE WHEN ${type} = 'string' AND length(${plain}) > ${INDEXED_CHARACTERS} THEN md5(${plain}) ` +
      `WHEN ${type} = ANY ('{string,number,boolean}') THEN '' END)`,
    isKey: false,
    path: undefined,
    index: "somewhere",
    elements: undefined,
  };
}

/** The one place where a path is spelled: filters, orderings and indexes all come here. */
export function termOf(path: Path, { indexedAt, shortCase }: TermSpelling = ANY_ENGINE): PostgresTerm {
  if (path.length === 1 && path[0] === "id") return ID;
  const { json, text } = spell("doc", path);
  const elements = indexedAt([...path, null]) === undefined ? undefined : elementsOf([...path, null]);
  const index = indexedAt(path);
  return {
    ...jsonTerm(json, shortCase, text),
    path: index === undefined ? path : undefined,
    index,
    elements,
  };
}

/** What is at a path from an element of an array, which no index leads to. */
export function elementTerm(element: string, path: Path): PostgresTerm {
  const { json, text } = spell(element, path);
  return { ...jsonTerm(json, false, text), index: undefined };
}

/**
 * What is at a path, or the text there in lower or upper case: in the collation "C", which every database has, the letters
 * from A to Z are all that is changed.
 */
export function fieldTerm({ type, path }: Field, spelling: TermSpelling = ANY_ENGINE): PostgresTerm {
  return inCase(
    type,
    termOf(path, spelling),
    type === "path" ? undefined : spelling.indexedAt({ type, path }),
  );
}

/** The same of what is at the path already. An index may hold the text in the other case. */
export function inCase(type: Field["type"], of: PostgresTerm, index: IndexedAs | undefined): PostgresTerm {
  if (type === "path") return of;
  const changed = `${type}(${of.plain} COLLATE "C")`;
  const text = of.isKey ? changed : `(CASE WHEN ${of.type} = 'string' THEN ${changed} END)`;
  return { ...textTerm(text), index };
}

/** The term of a text or NULL. */
function textTerm(text: string): PostgresTerm {
  return {
    key: `(coalesce('${RANK.string}' || left(${text}, ${INDEXED_CHARACTERS}), '${KEY.null}') COLLATE "C")`,
    number: "0::numeric",
    text: `(coalesce(${text}, '') COLLATE "C")`,
    json: `to_jsonb(${text})`,
    plain: text,
    type: `(CASE WHEN ${text} IS NOT NULL THEN 'string' END)`,
    guard: `(CASE WHEN length(${text}) > ${INDEXED_CHARACTERS} THEN md5(${text}) WHEN ${text} IS NOT NULL THEN '' END)`,
    isKey: false,
    path: undefined,
    index: undefined,
    elements: undefined,
  };
}

/** What holds of a collection whose indexes are not known: it may have one over any place, and none over elements. */
export function always(path: IndexPath): IndexedAs | undefined {
  return isPlace(path) ? "somewhere" : undefined;
}

const ID: PostgresTerm = Object.freeze({
  key: `('${RANK.string}' || id COLLATE "C")`,
  number: "0::numeric",
  text: "id",
  json: "to_jsonb(id)",
  plain: "id",
  type: "'string'",
  guard: "(1)",
  isKey: true,
  path: undefined,
  index: "first",
  elements: undefined,
});
