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
 * Finds out what HAVING and ORDER BY mean by a name: a column that `AS` has named comes first, as in SQL, then a path of
 * the documents; of groups only what each of them has one of.
 */
export class SubjectResolver {
  readonly #reader: TokenReader;
  readonly #grouped: boolean;
  /** Columns by the name that they were given. */
  readonly #named = new Map<string, Subject>();
  readonly #items: ReadonlySet<string>;
  readonly #groups: ReadonlySet<string>;

  constructor(reader: TokenReader, items: readonly ReadItem[], groups: readonly Field[], grouped: boolean) {
    this.#reader = reader;
    this.#grouped = grouped;
    this.#items = new Set(items.map(({ item }) => subjectKey(item)));
    this.#groups = new Set(groups.map(subjectKey));
    for (const { item, named } of items) if (named) this.#named.set(item.name, withoutName(item));
  }

  inOrder({ subject, descending, at }: SortKey): OrderKey {
    const meant = this.#columnOf(subject) ?? subject;
    const key = subjectKey(meant);
    if (this.#grouped && !this.#items.has(key) && !this.#groups.has(key)) {
      const reason = "a grouped SELECT can be ordered by its columns and the paths of its GROUP BY";
      throw this.#refuse(at, subject, reason, "a column");
    }
    if (!this.#grouped && meant.type === "aggregate") {
      throw this.#refuse(at, subject, "only a grouped SELECT can be ordered by an aggregate", "a path");
    }
    return Object.freeze({ ...meant, descending });
  }

  inHaving(subject: Subject, at: number): Subject {
    const meant = this.#columnOf(subject) ?? subject;
    if (meant.type === "aggregate" || this.#groups.has(subjectKey(meant))) return meant;
    const reason = "HAVING can look at aggregates, columns and the paths of GROUP BY";
    throw this.#refuse(at, subject, reason, "an aggregate");
  }

  /** What the column holds that `AS` has named so. */
  #columnOf(subject: Subject): Subject | undefined {
    if (subject.type !== "path" || subject.path.length !== 1) return undefined;
    return this.#named.get(subject.path[0] as string);
  }

  #refuse(at: number, subject: Subject, reason: string, expected: string): Error {
    const found = JSON.stringify(subjectText(subject));
    return this.#reader.refuse(at, found, `${reason}, found ${found}`, expected);
  }
}
