import type { JsonValue, Row } from "../../base/document.ts";
import { FormDBError } from "../../base/errors.ts";
import { configError, show } from "../../base/options.ts";
import { pathText } from "../../base/subject.ts";
import { kindOf } from "../../dialect/value-rank.ts";
import { requirementsOf } from "../../plan/change.ts";
import { type FilterReader, pathOf } from "../../plan/filter.ts";
import { isPlainObject } from "../../plan/filter-form.ts";
import { jsonValue } from "../../plan/operand-values.ts";
import { MAX_ASSIGNMENTS } from "../../query/limits.ts";
import type { Change, DocumentStep } from "../../query/syntax-tree.ts";
import { valueAt } from "./cursor.ts";
import type { PathOf, ValueAt } from "./paths.ts";

type Paths<T, V> = { [P in PathOf<T>]: NonNullable<ValueAt<T, P>> extends V ? P : never }[PathOf<T>];
type ElementAt<T, P extends string> = NonNullable<ValueAt<T, P>> extends readonly (infer E)[] ? E : unknown;

/** Changes of a document by path, made at once and together. No two may be at one place, or at a place and a part of it. */
export interface Changes<T> {
  /** New values. The objects and arrays on the way are made. */
  readonly set?: { readonly [P in PathOf<T>]?: ValueAt<T, P> | null };
  /** Fields to remove. */
  readonly unset?: readonly PathOf<T>[];
  /** What is added to numbers; to 0 where there is none. */
  readonly inc?: { readonly [P in Paths<T, number>]?: number };
  /** What is appended to arrays; to an empty one where there is none. */
  readonly push?: { readonly [P in Paths<T, readonly unknown[]>]?: ElementAt<T, P> };
  /** What is removed from arrays: all elements that equal it. */
  readonly pull?: { readonly [P in Paths<T, readonly unknown[]>]?: ElementAt<T, P> };
}

const KINDS = ["set", "inc", "push", "pull"] as const;

/** The steps that changes stand for; their values are lifted out in their order. */
export function stepsOf(changes: unknown, reader: FilterReader): readonly DocumentStep[] {
  if (typeof changes !== "object" || changes === null || Array.isArray(changes)) {
    throw configError(`Changes must be an object such as { set: { name: "Ada" } }, not ${show(changes)}`);
  }
  const given = changes as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(given).find((name) => name !== "unset" && !KINDS.includes(name as "set"));
  if (unknown !== undefined) {
    throw configError(
      `Changes must be of the kinds set, unset, inc, push and pull, not ${show(unknown)}; a merge patch is what ` +
        "the database's own update() takes",
      unknown,
    );
  }
  const steps: DocumentStep[] = [];
  for (const kind of KINDS) {
    const values = given[kind] ?? {};
    if (!isPlainObject(values)) {
      throw configError(`${kind} must be an object of paths and values, not ${show(values)}`, kind);
    }
    for (const [text, value] of Object.entries(values)) {
      steps.push({ kind, path: pathOf(text), value: reader.slot(valueFor(kind, text, value)) });
    }
  }
  const unset = given.unset ?? [];
  if (!Array.isArray(unset) || unset.some((text) => typeof text !== "string")) {
    throw configError(`unset must be an array of paths, not ${show(unset)}`, "unset");
  }
  for (const text of unset) steps.push({ kind: "unset", path: pathOf(text), value: undefined });
  if (steps.length === 0 || steps.length > MAX_ASSIGNMENTS) {
    throw configError(`Changes must be of 1 to ${MAX_ASSIGNMENTS} places, not ${steps.length}`);
  }
  return steps;
}

function valueFor(kind: (typeof KINDS)[number], text: string, value: unknown): JsonValue {
  const name = `The value of ${kind} for ${text}`;
  const json = jsonValue(value, name);
  if (kind === "inc" && typeof json !== "number")
    throw configError(`${name} must be a number, not ${show(value)}`, text);
  return json;
}

/** Why a document that is there could not be changed; undefined if nothing in it says so. */
export function obstacle(
  document: Row,
  steps: readonly DocumentStep[],
  { collection, values }: { readonly collection: string; readonly values: readonly unknown[] },
): FormDBError | undefined {
  const refuse = (path: string, why: string): FormDBError =>
    new FormDBError(
      "FORMDB_CONSTRAINT",
      `${collection} ${show(document.id)} could not be changed at ${path}: ${why}`,
      {
        details: { collection, id: document.id, path },
      },
    );
  for (const { path, type } of requirementsOf(steps)) {
    const found = kindOf((valueAt(document, path) ?? null) as JsonValue);
    if (found === type || found === "null") continue;
    return refuse(
      pathText(path),
      `there must be ${type === "number" ? "a number" : `an ${type}`}, or nothing, not a ${found}`,
    );
  }
  for (const { kind, path, value } of steps) {
    if (kind !== "inc" || value?.type !== "slot") continue;
    const sum = Number(valueAt(document, path) ?? 0) + (values[value.index] as number);
    if (!Number.isFinite(sum)) return refuse(pathText(path), "the sum must be a finite number");
  }
  return undefined;
}

/** A change of one document, as far as its failures tell of it. */
export interface RequestedChange {
  readonly statement: Change;
  readonly id: string;
  readonly ifVersion: number | undefined;
  /** Of the slots of the statement. */
  readonly values: readonly unknown[];
}

const DONE = { update: "updated", replace: "replaced", delete: "deleted" } as const;

/** Why a change was not made of what was found; undefined if nothing in it says so. */
export function whyNotMade(
  { statement, id, ifVersion, values }: RequestedChange,
  found: { readonly version: number; readonly document: Row } | undefined,
): FormDBError | undefined {
  const { action, collection, steps } = statement;
  const subject = `The document could not be ${DONE[action]}: ${collection}`;
  if (found === undefined) {
    return new FormDBError("FORMDB_NOT_FOUND", `${subject} has none with the id ${JSON.stringify(id)}`, {
      details: { collection, id, outcome: "rejected" },
    });
  }
  const { version, document } = found;
  if (ifVersion !== undefined && version !== ifVersion) {
    return new FormDBError(
      "FORMDB_CONFLICT",
      `${subject} ${JSON.stringify(id)} must have the version ${ifVersion}, and has ${version}`,
      { details: { collection, id, version, outcome: "rejected" } },
    );
  }
  return obstacle({ ...document, id }, steps, { collection, values });
}

/** The error for a change that was not made although nothing is in its way. */
export function unexplained({ statement, id }: RequestedChange): FormDBError {
  const { action, collection } = statement;
  return new FormDBError(
    "FORMDB_BUSY",
    `The document could not be ${DONE[action]}: ${collection} ${JSON.stringify(id)} was changed by others meanwhile`,
    { details: { collection, id, outcome: "rejected" } },
  );
}
