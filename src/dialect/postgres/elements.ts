import type { JsonValue } from "../../base/document.ts";
import { type Path, widePath } from "../../base/subject.ts";
import { conditionsOn, type DocumentConditions, fieldOf } from "../expression-dialect.ts";
import { choice, type Fragment, sql, steps } from "../fragment.ts";
import { kindOf } from "../value-rank.ts";
import { termConditions } from "./conditions.ts";
import { elementsOf, elementTerm, type IndexedAt, inCase, type PostgresTerm } from "./terms.ts";

/**
 * Conditions on what `at` spells: on documents, whose indexes `indexedAt` knows, or on the elements of an array that is
 * `depth` arrays deep.
 */
export function documentConditions(
  at: (path: Path) => PostgresTerm,
  indexedAt: IndexedAt = () => undefined,
  depth: number = 0,
): DocumentConditions {
  /** Rows of elements, and how conditions look at those of the last array. */
  function rowsOf(arrays: readonly Path[]) {
    let element = at;
    const rows = arrays.map((array, i) => {
      const { json, type } = element(array);
      const row = `e${depth + i + 1}`;
      element = (path) => elementTerm(`${row}.value`, path);
      return `jsonb_array_elements(CASE WHEN ${type} = 'array' THEN ${json} END) AS ${row}(value)`;
    });
    // Citus takes the first of several apart from the documents that it reads, unless it is LATERAL, and crashes on that.
    return { rows: rows.length === 1 ? rows[0]! : `LATERAL ${rows.join(", ")}`, element };
  }

  const some: DocumentConditions["some"] = (arrays, condition, wanted) => {
    const { rows, element } = rowsOf(arrays);
    const where = condition(documentConditions(element, undefined, depth + arrays.length));
    const found: Fragment = sql`EXISTS (SELECT 1 FROM ${rows} WHERE ${where})`;
    return wanted ? found : sql`NOT ${found}`;
  };

  const asJson = (operand: number, wrap: (value: JsonValue) => JsonValue): Fragment =>
    sql`${{ operand, encode: (value: JsonValue) => JSON.stringify(wrap(value)) }}::jsonb`;

  const someMayEqual: DocumentConditions["someMayEqual"] = (arrays, path, operand) => {
    const wide = widePath(arrays, path);
    if (indexedAt(wide) === undefined) return undefined;
    return sql`${elementsOf(wide)} @> ${asJson(operand, (value) => [value])}`;
  };

  const someEquals: DocumentConditions["someEquals"] = (arrays, path, operand, wanted) => {
    const { rows, element } = rowsOf(arrays);
    const same = asJson(operand, (value) => value);
    const exact = sql`EXISTS (SELECT 1 FROM ${rows} WHERE ${element(path).json} = ${same})`;
    const held = someMayEqual(arrays, path, operand);
    const found = choice(operand, kindOf, (kind) => {
      if (kind === "null") return ["FALSE"];
      if (kind === "array" || kind === "object") return held === undefined ? exact : steps(held, exact);
      if (held !== undefined) return held;
      const [array, ...others] = arrays;
      // `@>` finds a scalar exactly, but has no indexes of elements.
      if (![...others.flat(), ...path].every((part) => typeof part === "string")) return exact;
      return sql`${at(array!).json} @> ${asJson(operand, (value) => [nested([...others, path], value)])}`;
    });
    return wanted ? found : sql`(${found}) IS NOT TRUE`;
  };

  return Object.freeze<DocumentConditions>({
    ...conditionsOn(termConditions, (subject) => {
      const { type, path } = fieldOf(subject);
      return inCase(type, at(path), type === "path" ? undefined : indexedAt({ type, path }));
    }),
    some,
    someEquals,
    someMayEqual,
  });
}

/** What an element holds where the last path leads to a value, and those before it to an array of what comes next. */
function nested([path, ...others]: readonly Path[], value: JsonValue): JsonValue {
  const inner = others.length === 0 ? value : [nested(others, value)];
  return path!.reduceRight<JsonValue>((held, name) => ({ [name]: held }), inner);
}
