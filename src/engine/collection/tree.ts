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

/** The tree of a request whose form was kept; undefined if none was. */
export function knownTree({ words, values }: Form): PlannedTree | undefined {
  const known = kept.get(words);
  return known && { statement: known.statement, key: known.key, values };
}

/** Makes a tree as `treeOf`, and keeps it for its form. */
export function newTree(form: Form, make: (reader: FilterReader) => Select): PlannedTree {
  const tree = treeOf(make);
  kept.keep(form.words, { statement: tree.statement, key: tree.key });
  return tree;
}
