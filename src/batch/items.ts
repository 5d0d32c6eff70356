import { FormDBError } from "../base/errors.ts";
import { configError, show } from "../base/options.ts";
import type { Item } from "./operation.ts";

/** How an element of what a call was given becomes an operation's id and value. */
export type ToItem = (element: unknown) => Item;

export const DOCUMENT: ToItem = (value: unknown): Item => ({ id: undefined, value });
export const ID: ToItem = (id: unknown): Item => ({ id, value: undefined });
export const ITEM: ToItem = (item: unknown): Item => item as Item;

export function UPDATE(item: unknown): Item {
  if (typeof item !== "object" || item === null) {
    throw new FormDBError(
      "FORMDB_INVALID_DOCUMENT",
      `An update must be an object { id, document }, not ${show(item)}`,
    );
  }
  const { id, document } = item as { id?: unknown; document?: unknown };
  return { id, value: document };
}

export function manyOf(items: unknown): Iterable<unknown> {
  if (typeof items !== "object" || items === null) return [items];
  return Symbol.iterator in items ? (items as Iterable<unknown>) : [items];
}

export function iterable(items: unknown): Iterable<unknown> {
  if (typeof items === "object" && items !== null && Symbol.iterator in items)
    return items as Iterable<unknown>;
  throw configError(
    `The operations of a batch must come in an array or another iterable, not ${show(items)}`,
  );
}
