import { subjectKey, subjectText, withoutName } from "./path-text.ts";
import type { Field, OrderKey, SelectItem, Subject } from "./syntax-tree.ts";
import type { TokenReader } from "./token-reader.ts";

/** An item with what only the checks need to know. */
export interface ReadItem {
  readonly item: SelectItem;
  /** Whether `AS` gave it its name. */
  readonly named: boolean;
  readonly at: number;
}

/** One entry of an ORDER BY as it was read. */
export interface SortKey {
  readonly subject: Subject;
  readonly descending: boolean;
  readonly at: number;
}

/**
 * Finds out what the entries of an ORDER BY stand for: a column that `AS` has named comes first, as in SQL, then
 * a path of the documents; of groups only what each of them has one of.
 */
export class OrderResolver {
  readonly #reader: TokenReader;
  readonly #grouped: boolean;
  /** Columns by the name that they were given. */
  readonly #named = new Map<string, Subject>();
  /** What columns hold and what rows are grouped by. */
  readonly #known: ReadonlySet<string>;

  constructor(reader: TokenReader, items: readonly ReadItem[], groups: readonly Field[], grouped: boolean) {
    this.#reader = reader;
    this.#grouped = grouped;
    this.#known = new Set([...items.map(({ item }) => item), ...groups].map(subjectKey));
    for (const { item, named } of items) if (named) this.#named.set(item.name, withoutName(item));
  }

  resolve({ subject, descending, at }: SortKey): OrderKey {
    const meant = this.#columnOf(subject) ?? subject;
    const isKnown = this.#grouped ? this.#known.has(subjectKey(meant)) : meant.type !== "aggregate";
    if (!isKnown) throw this.#refuse(at, subjectText(subject));
    return Object.freeze({ ...meant, descending });
  }

  /** What the column holds that `AS` has named so. */
  #columnOf(subject: Subject): Subject | undefined {
    if (subject.type !== "path" || subject.path.length !== 1) return undefined;
    return this.#named.get(subject.path[0] as string);
  }

  #refuse(at: number, name: string): Error {
    const found = JSON.stringify(name);
    const reason = this.#grouped
      ? "a grouped SELECT can be ordered by its columns and the paths of its GROUP BY"
      : "only a grouped SELECT can be ordered by an aggregate";
    return this.#reader.refuse(at, found, `${reason}, found ${found}`, this.#grouped ? "a column" : "a path");
  }
}
