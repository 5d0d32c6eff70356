import type { Row } from "../base/document.ts";
import { FormDBError } from "../base/errors.ts";
import { pathText } from "../base/subject.ts";
import type { Dialect } from "../dialect/dialect.ts";
import { type ChangeableType, fieldOf, type LeafChange } from "../dialect/expression-dialect.ts";
import { combine, type Fragment, sql } from "../dialect/fragment.ts";
import { pathKey } from "../query/path-text.ts";
import type { Assignment, Change, DocumentStep, Path } from "../query/syntax-tree.ts";
import { changesOf } from "./assignments.ts";
import { parseDocument } from "./decode.ts";
import type { OperandTable } from "./operand-table.ts";
import { costOf, idOperand } from "./point.ts";
import { compileCondition, compileWhere } from "./select.ts";
import type { Executable } from "./variants.ts";

/** What a value must be so that a step can be taken: of this type, or not there. */
export interface Requirement {
  readonly path: Path;
  readonly type: ChangeableType;
}

/** What a document must have at its places, for these steps. What is set needs nothing: it replaces what is in its way. */
export function requirementsOf(steps: readonly DocumentStep[]): readonly Requirement[] {
  const found = new Map<string, Requirement>();
  const need = (path: Path, type: ChangeableType): void => {
    found.set(`${type} ${pathKey(path)}`, { path, type });
  };
  for (const { kind, path } of steps) {
    if (kind === "inc") need(path, "number");
    if (kind === "push" || kind === "pull") need(path, "array");
    if (kind === "unset" || kind === "pull") {
      for (let length = 1; length < path.length; length++) {
        need(path.slice(0, length), typeof path[length] === "number" ? "array" : "object");
      }
    }
  }
  return [...found.values()];
}

/** The statement of a change: one, so that nothing can come between what it reads and what it writes. */
export function compileChange(change: Change, dialect: Dialect, operands: OperandTable): Executable {
  const { expressions } = dialect;
  const table = dialect.identifier(change.collection);
  // In the order in which the placeholders come to stand.
  const doc = documentOf(change, dialect, operands);
  const conditions: Fragment[] = [which(change, dialect, operands)];
  if (change.version !== undefined)
    conditions.push(expressions.versionIs(operands.add(change.version, "count")));
  for (const { path, type } of requirementsOf(change.steps))
    conditions.push(expressions.canChange(path, type));
  for (const { kind, path, value } of change.steps) {
    if (kind === "inc") conditions.push(expressions.staysFinite(path, operands.add(value!, "value")));
  }
  const { changeGroup } = dialect;
  const group =
    doc !== undefined && typeof changeGroup === "object" && canBeGrouped(change)
      ? changeGroup.statement({ table, document: doc, condition: combine("AND", conditions.slice(1)) })
      : undefined;
  const where = combine("AND", conditions);
  const columns = change.gives === "document" ? `${expressions.documentColumns}, version` : "version";
  const fragment =
    doc === undefined
      ? sql`DELETE FROM ${table} WHERE ${where} RETURNING ${columns}`
      : sql`UPDATE ${table} SET doc = ${doc}, version = version + 1, updated_at = ${expressions.now} WHERE ${where} RETURNING ${columns}`;
  return {
    fragment,
    decode: change.gives === "document" ? decodeVersioned : decodeVersion,
    cost: change.first === undefined ? costOf(change.where) : "scan",
    returnsRows: true,
    writes: true,
    group,
  };
}

/** Whether a change is of one document, which stays, and tells no more than its version. */
export function canBeGrouped({ action, where, gives }: Change): boolean {
  return action !== "delete" && gives === "version" && idOperand(where) !== undefined;
}

function decodeVersioned([id, json, version]: readonly unknown[]): Row {
  return { document: parseDocument(id as string, json as string), version: Number(version) };
}

function decodeVersion([version]: readonly unknown[]): Row {
  return { version: Number(version) };
}

/** The document that a change makes; undefined if it deletes. */
function documentOf(change: Change, { expressions }: Dialect, operands: OperandTable): Fragment | undefined {
  const { action, steps, document } = change;
  if (action === "delete") return undefined;
  if (document !== undefined) return expressions.document(operands.add(document, "document"));
  const [first, ...others] = steps;
  if (first === undefined) throw new FormDBError("FORMDB_SYNTAX", "A change must change something");
  refuseOverlaps([first, ...others]);
  const made = (each: DocumentStep): boolean => each.kind !== "unset" && each.kind !== "pull";
  const assignments = steps.filter(made).map(({ path, value }): Assignment => ({ path, value: value! }));
  const leaves = steps
    .filter(({ kind }) => kind !== "unset")
    .map(({ kind, path, value }) => ({ kind, path, operand: operands.add(value!, "value") }) as LeafChange);
  const removals = steps
    .filter(({ kind }) => kind === "unset")
    .map(({ path }) => path)
    .sort(fromTheBack);
  return expressions.change({ containers: changesOf(assignments, operands).containers, leaves, removals });
}

/** Removing an element moves those behind it: they come first. No path is a part of another. */
function fromTheBack(a: Path, b: Path): number {
  const place = a.findIndex((part, i) => part !== b[i]);
  const [one, other] = [a[place]!, b[place]!];
  if (typeof one === "number" && typeof other === "number") return other - one;
  return String(one) < String(other) ? -1 : 1;
}

/** No two steps may meet: the result would depend on their order. */
function refuseOverlaps(steps: readonly DocumentStep[]): void {
  const places = new Set<string>();
  for (const { path } of steps) {
    const key = pathKey(path);
    if (path[0] === "id") throw refuse(path, "a document keeps its id");
    if (places.has(key)) throw refuse(path, "it is changed twice, and the result would depend on the order");
    places.add(key);
  }
  const containers = new Map<string, "array" | "object">();
  for (const { path } of steps) {
    for (let length = 1; length < path.length; length++) {
      const outer = path.slice(0, length);
      const key = pathKey(outer);
      if (places.has(key)) {
        throw refuse(path, `${pathText(outer)} is changed too, and the result would depend on the order`);
      }
      const kind = typeof path[length] === "number" ? "array" : "object";
      if ((containers.get(key) ?? kind) !== kind) {
        throw refuse(path, `${pathText(outer)} can't be both an object and an array`);
      }
      containers.set(key, kind);
    }
  }
}

function refuse(path: Path, why: string): FormDBError {
  return new FormDBError("FORMDB_SYNTAX", `A change can't be made at ${pathText(path)}: ${why}`, {
    details: { path: pathText(path) },
  });
}

/** The condition for the documents that are changed. */
function which({ where, first, collection }: Change, dialect: Dialect, operands: OperandTable): Fragment {
  if (first === undefined) return where === undefined ? ["TRUE"] : compileCondition(where, dialect, operands);
  const { expressions, identifier } = dialect;
  const one = {
    operand: operands.add({ type: "literal", value: 1 }, "count"),
    encode: (count: unknown) => count,
  };
  const documents = expressions.documents({
    list: "id",
    table: identifier(collection),
    where: compileWhere(where, dialect, operands),
    orderBy: first.orderBy.map(fieldOf),
    from: undefined,
    inOrder: false,
    locks: true,
    limit: one,
    offset: undefined,
  });
  return sql`id = (${documents}${expressions.lock(first.skipLocked)})`;
}
