import type { DocumentPath } from "../ddl-dialect.ts";
import { type DocumentConditions, fieldOf } from "../expression-dialect.ts";
import { sql } from "../fragment.ts";
import { conditionsOn } from "./conditions.ts";
import { elementTerm, fieldTerm, type SqliteTerm } from "./terms.ts";

/** Conditions on what `at` spells: on documents, or on the elements of an array that is `depth` arrays deep. */
export function documentConditions(
  at: (path: DocumentPath) => SqliteTerm,
  depth: number = 0,
): DocumentConditions {
  const some: DocumentConditions["some"] = (arrays, condition, wanted) => {
    let element = at;
    const rows: string[] = [];
    const areElements: string[] = [];
    for (const array of arrays) {
      const row = `e${depth + rows.length + 1}`;
      rows.push(`jsonb_each(${element(array).walk}) AS ${row}`);
      // The values of an object have names for keys, and a scalar has none.
      areElements.push(`typeof(${row}.key) = 'integer'`);
      element = (path) => elementTerm(row, path);
    }
    const where = condition(documentConditions(element, depth + arrays.length));
    const found = sql`EXISTS (SELECT 1 FROM ${rows.join(", ")} WHERE ${areElements.join(" AND ")} AND ${where})`;
    return wanted ? found : sql`NOT ${found}`;
  };
  return Object.freeze<DocumentConditions>({
    ...conditionsOn((subject) => fieldTerm(fieldOf(subject), at)),
    some,
    someEquals: (arrays, path, operand, wanted) =>
      some(arrays, (element) => element.equals({ type: "path", path }, operand, true), wanted),
  });
}
