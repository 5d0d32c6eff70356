import { FilterReader } from "../../plan/filter.ts";
import { type Form, Forms } from "../../plan/filter-form.ts";
import type { Change, Select } from "../../query/syntax-tree.ts";
import { keyOf } from "../../query/tree-text.ts";
import type { PlannedTree } from "../plan-source.ts";

/** What is the same for all trees of a form. */
type Kept = Pick<PlannedTree, "statement" | "key">;

const kept = new Forms<Kept>();

/** The tree of a statement, whose values `make` lifts out with the reader that it is given. */
export function treeOf(make: (reader: FilterReader) => Select | Change): PlannedTree {
  const reader = new FilterReader();
  const statement = make(reader);
  return { statement, key: keyOf(statement), values: reader.values };
}

/** The same for a request that has a form: made anew only where there was none of its form before. */
export function treeOfForm(form: Form, make: (reader: FilterReader) => Select): PlannedTree {
  const known = kept.get(form.words);
  if (known !== undefined) return { statement: known.statement, key: known.key, values: form.values };
  const tree = treeOf(make);
  kept.keep(form.words, { statement: tree.statement, key: tree.key });
  return tree;
}
