import type { FilterPathOf, ValueAt } from "./paths.ts";

/** What can be compared for its order. */
type Ordered = string | number | boolean | Date;

/** What a field can be asked for. */
export interface Operators<V> {
  /** Equal; with null, that there is no value. */
  readonly eq?: V | null;
  readonly ne?: V | null;
  readonly gt?: Extract<V, Ordered>;
  readonly gte?: Extract<V, Ordered>;
  readonly lt?: Extract<V, Ordered>;
  readonly lte?: Extract<V, Ordered>;
  readonly in?: readonly (V | null)[];
  readonly notIn?: readonly (V | null)[];
  /** `%` stands for any characters, `_` for one. */
  readonly like?: Extract<V, string>;
  /** From the first to the second, both included. */
  readonly between?: readonly [Extract<V, Ordered>, Extract<V, Ordered>];
  /** Whether there is a value that is not null. */
  readonly exists?: boolean;
  /** An element of an array, or a part of a string. */
  readonly contains?: V extends readonly (infer E)[] ? E : Extract<V, string>;
  readonly and?: readonly Condition<V>[];
  readonly or?: readonly Condition<V>[];
  readonly not?: Condition<V>;
}

/** A condition on a field: a value that it equals, operators, or for an object conditions on its fields. */
export type Condition<V> = unknown extends V
  ? unknown
  : NonNullable<V> extends infer N
    ? // In brackets: the operators of a union are those of all of it, not of one member each.
      [N] extends [readonly unknown[] | Ordered]
      ? N | null | Operators<N>
      : null | Operators<N> | { readonly [K in keyof N]?: Condition<N[K]> }
    : never;

/**
 * Which documents are meant, as data: `{ age: { gt: 30 }, "address.city": "Oslo", or: [{ vip: true }, { tags: { contains:
 * "a" } }] }`. All of it must hold. With `[*]` in its path a condition holds if it is true for one element of the array at
 * least, and an object of several if all are true for one and the same: `{ "items[*]": { sku: "a", count: { gt: 1 } } }`.
 */
export type Filter<T> = { readonly [P in FilterPathOf<T>]?: Condition<ValueAt<T, P>> } & {
  readonly and?: readonly Filter<T>[];
  readonly or?: readonly Filter<T>[];
  readonly not?: Filter<T>;
};
