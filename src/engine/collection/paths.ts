/** How deep paths are known to the types; deeper ones are written in the query language. */
type Less = [never, 0, 1, 2, 3, 4];

/** Values that have no paths beneath them. */
type Leaf =
  | string
  | number
  | boolean
  | bigint
  | symbol
  | null
  | undefined
  | Date
  | ((...args: never) => unknown);

/** A path in documents of the type `T`, such as `"address.city"` or `"tags[0]"`. */
export type PathOf<T> = PathBy<T, `[${number}]`>;

/** A path as in `PathOf` that may also go on in each element of an array, such as `"items[*].sku"`. */
export type FilterPathOf<T> = PathBy<T, `[${number}]` | "[*]">;

/** What an index can be over: a path, or the text at one in lower or upper case, such as `"LOWER(email)"`. */
export type IndexPathOf<T> = FilterPathOf<T> | `${"LOWER" | "UPPER"}(${PathOf<T>})`;

/** `Step` is what leads from an array to an element. A union's paths are those of all its members. */
type PathBy<T, Step extends string, Depth extends number = 5> = [Depth] extends [never]
  ? never
  : T extends unknown
    ? {
        [K in keyof T & string]-?: string extends K
          ? string
          : K | `${K}${Beneath<NonNullable<T[K]>, Step, Depth>}`;
      }[keyof T & string]
    : never;

/** What can follow behind a path to a value. */
type Beneath<V, Step extends string, Depth extends number> = unknown extends V
  ? `.${string}`
  : V extends Leaf
    ? never
    : V extends readonly (infer E)[]
      ? Step | `${Step}${Beneath<NonNullable<E>, Step, Less[Depth] & number>}`
      : `.${PathBy<V, Step, Less[Depth] & number>}`;

/** The value at a path of documents of the type `T`; `undefined` too where there may be none, as in an array that is too short. */
export type ValueAt<T, P extends string> =
  P extends KeyOf<T>
    ? At<T, P>
    : P extends `${infer Head}.${infer Rest}`
      ? Behind<StepTo<T, Head>, Rest>
      : StepTo<T, P>;

/** The keys of all members of a union. */
type KeyOf<T> = T extends unknown ? keyof T : never;

/** What is at a key, in each member of a union. */
type At<T, K> = T extends unknown ? (K extends keyof T ? T[K] : undefined) : never;

type Behind<V, Rest extends string> =
  | ValueAt<NonNullable<V>, Rest>
  | (V extends null | undefined ? undefined : never);

type StepTo<T, P extends string> =
  P extends KeyOf<T>
    ? At<T, P>
    : P extends `${infer Array}[${string}`
      ? Element<Array extends KeyOf<T> ? At<T, Array> : unknown>
      : unknown;

type Element<V> = unknown extends V
  ? unknown
  : V extends readonly (infer E)[]
    ? (E extends readonly (infer Inner)[] ? E | Inner : E) | undefined
    : undefined;

/** A value as a query gives it: dates are texts, and what is not there is null. */
export type Read<V> = unknown extends V
  ? unknown
  : undefined extends V
    ? Stored<Exclude<V, undefined>> | null
    : Stored<V>;

type Stored<V> = V extends Date ? string : V;
