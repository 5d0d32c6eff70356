import { type Path, type WidePath, widePath } from "../../base/subject.ts";
import type { IndexOf } from "../ddl-dialect.ts";
import { conditionsOn, type DocumentConditions, fieldOf } from "../expression-dialect.ts";
import { choice, combine, type Fragment, sql } from "../fragment.ts";
import { kindOf } from "../value-rank.ts";
import { encodeValue, termConditions } from "./conditions.ts";
import { inArrayOrText, mayHave } from "./element-index.ts";
import { elementTerm, fieldTerm, type SqliteTerm, termOf } from "./terms.ts";

/** Conditions on documents, of which `indexOf` gives the indexes. */
export function documentConditions(indexOf: IndexOf): DocumentConditions {
  const conditions = conditionsFrom(termOf, 0);
  /** What an index says of a scalar, before the exact condition. */
  const leadOf = (
    path: WidePath,
    operand: number,
    within: (value: Fragment) => Fragment,
  ): Fragment | undefined => {
    const index = indexOf(path);
    if (index === undefined) return undefined;
    return choice(operand, kindOf, (kind) => {
      if (kind === "null" || kind === "array" || kind === "object") return ["TRUE"];
      return mayHave(index, within(sql`+${{ operand, encode: encodeValue }}`));
    });
  };
  const someMayEqual: DocumentConditions["someMayEqual"] = (arrays, path, operand) =>
    leadOf(widePath(arrays, path), operand, (value) => sql`= ${value}`);
  return Object.freeze<DocumentConditions>({
    ...conditions,
    contains: (subject, operand, wanted) => {
      const exact = conditions.contains(subject, operand, wanted);
      if (!wanted || subject.type !== "path") return exact;
      const lead = leadOf([...subject.path, null], operand, inArrayOrText);
      return lead === undefined ? exact : combine("AND", [lead, exact]);
    },
    someEquals: (arrays, path, operand, wanted) => {
      const exact = conditions.someEquals(arrays, path, operand, wanted);
      const lead = wanted ? someMayEqual(arrays, path, operand) : undefined;
      return lead === undefined ? exact : combine("AND", [lead, exact]);
    },
    someMayEqual,
  });
}

/** Conditions on what `at` spells: on documents, or on the elements of an array that is `depth` arrays deep. */
function conditionsFrom(at: (path: Path) => SqliteTerm, depth: number): DocumentConditions {
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
    const where = condition(conditionsFrom(element, depth + arrays.length));
    const found = sql`EXISTS (SELECT 1 FROM ${rows.join(", ")} WHERE ${areElements.join(" AND ")} AND ${where})`;
    return wanted ? found : sql`NOT ${found}`;
  };
  return Object.freeze<DocumentConditions>({
    ...conditionsOn(termConditions, (subject) => fieldTerm(fieldOf(subject), at)),
    some,
    someEquals: (arrays, path, operand, wanted) =>
      some(arrays, (element) => element.equals({ type: "path", path }, operand, true), wanted),
    // No index leads to elements of elements.
    someMayEqual: () => undefined,
  });
}
