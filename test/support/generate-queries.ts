import { generateValue, ODD_NAME, STRINGS } from "./generate-documents.ts";
import type { Random } from "./random.ts";

export interface GeneratedQuery {
  readonly text: string;
  readonly parameters: readonly unknown[];
}

type Path = readonly (string | number)[];

const PATHS: readonly Path[] = [
  ["a"],
  ["a"],
  ["a"],
  ["b"],
  ["b"],
  ["n"],
  ["n"],
  ["s"],
  ["s"],
  ["t"],
  ["o"],
  ["o", "x"],
  ["o", "y"],
  ["o", "x", "y"],
  ["o", "x", "0"],
  ["t", 0],
  ["t", 1],
  ["t", 0, 0],
  ["t", 0, "x"],
  ["a", "x"],
  ["a", 0],
  ["a", "0"],
  ["a", "x", "y", 0],
  [ODD_NAME],
  ["0"],
  ["missing"],
  ["missing", "deep"],
  ["id"],
];

/** Paths of what is in each element of an array, which only conditions may have. */
const WIDE_PATHS: readonly (readonly (string | number | null)[])[] = [
  ["t", null],
  ["t", null],
  ["i", null, "x"],
  ["i", null, "x"],
  ["i", null, "id"],
  ["i", null],
  ["i", null, "p", null, "x"],
  ["i", null, "p", null, "y"],
  ["i", null, "p", null],
  ["i", null, "p", 0, "x"],
  ["i", null, "x", null],
  ["t", null, null],
  ["t", null, 0],
  ["t", 0, null],
  ["a", null, "x", "0"],
  ["o", "x", null],
  [ODD_NAME, null],
  ["id", null],
  ["missing", null, "x"],
];

/** Builds a query's text, and its parameters as they come. */
export class QueryGenerator {
  readonly #random: Random;
  readonly #pool: readonly unknown[];
  readonly #parameters: unknown[] = [];

  /** `pool` holds values that documents have; many of those that it compares with come from there. */
  constructor(random: Random, pool: readonly unknown[] = []) {
    this.#random = random;
    this.#pool = pool;
  }

  /** `SELECT` of documents or columns; ordered in most cases, and limited only then. */
  select(collection: string): GeneratedQuery {
    const random = this.#random;
    const items = random.chance(0.4)
      ? "*"
      : random
          .some(1, 3, () => 0)
          .map((_, i) => `${this.#field()} AS c${i}`)
          .join(", ");
    const distinct = items !== "*" && random.chance(0.25);
    let text = `SELECT ${distinct ? "DISTINCT " : ""}${items} FROM ${collection}${this.#where()}`;
    if (distinct) {
      if (random.chance(0.7)) text += ` ORDER BY c0${this.#direction()}${this.#limit()}`;
    } else if (random.chance(0.7)) {
      text += ` ORDER BY ${random.some(1, 3, () => this.#field() + this.#direction()).join(", ")}`;
      text += this.#limit();
    }
    return this.#done(text);
  }

  /** `SELECT` of aggregates, in groups or not. */
  aggregate(collection: string): GeneratedQuery {
    const random = this.#random;
    const groups = random.chance(0.7) ? random.some(1, 2, () => this.#field()) : [];
    const unique = [...new Set(groups)];
    const items = unique.filter(() => random.chance(0.8)).map((path, i) => `${path} AS g${i}`);
    const sortable: string[] = items.map((_, i) => `g${i}`);
    random
      .some(1, 3, () => 0)
      .forEach((_, i) => {
        const aggregate = this.#aggregate();
        items.push(`${aggregate} AS f${i}`);
        sortable.push(`f${i}`);
      });
    sortable.push(...unique);
    let text = `SELECT ${items.join(", ")} FROM ${collection}${this.#where()}`;
    if (unique.length > 0) {
      text += ` GROUP BY ${unique.join(", ")}`;
    }
    if (random.chance(0.4)) {
      const subjects = [...unique, ...sortable];
      const subject = (): string =>
        subjects.length > 0 && random.chance(0.4) ? random.pick(subjects) : this.#aggregate();
      text += ` HAVING ${this.#condition(0, subject)}`;
    }
    if (unique.length > 0) {
      if (random.chance(0.8)) {
        text += ` ORDER BY ${random.some(1, 2, () => random.pick(sortable) + this.#direction()).join(", ")}`;
        text += this.#limit();
      }
    }
    return this.#done(text);
  }

  #aggregate(): string {
    const random = this.#random;
    const name = random.pick(["COUNT", "SUM", "AVG", "MIN", "MAX", "COUNT(*)", "COUNT(DISTINCT"]);
    if (name === "COUNT(*)") return name;
    if ((name === "SUM" || name === "AVG") && random.chance(0.6))
      return `${name}(${random.pick(["n", "t[0]", "a"])})`;
    return name === "COUNT(DISTINCT" ? `${name} ${this.#field()})` : `${name}(${this.#field()})`;
  }

  update(collection: string): GeneratedQuery {
    const random = this.#random;
    const taken: Path[] = [];
    const assignments = random.some(1, 4, () => {
      const path = random.pick(PATHS.filter((each) => each[0] !== "id"));
      if (taken.some((other) => conflict(path, other))) return undefined;
      taken.push(path);
      return `${spellPath(path)} = ${random.chance(0.4) ? this.#computation(0) : this.#operand(() => generateValue(random))}`;
    });
    const set = assignments.filter((each) => each !== undefined).join(", ");
    return this.#done(`UPDATE ${collection} SET ${set}${this.#where()}`);
  }

  delete(collection: string): GeneratedQuery {
    return this.#done(`DELETE FROM ${collection}${this.#where()}`);
  }

  /** Arithmetic on numbers, for the most part, and places where there may be some. */
  #computation(depth: number): string {
    const random = this.#random;
    if (depth < 3 && random.chance(depth === 0 ? 0.9 : 0.4)) {
      const sides = [this.#computation(depth + 1), this.#computation(depth + 1)];
      const text = sides.join(` ${random.pick(["+", "-", "*", "/"])} `);
      return random.chance(0.5) ? `(${text})` : text;
    }
    if (random.chance(0.6)) return random.chance(0.8) ? "n" : this.#path();
    return this.#operand(() =>
      random.chance(0.05)
        ? generateValue(random)
        : random.pick([null, 0, 1, -1, 3, 0.1, -2.5, 1e308, 5e-324, 2 ** 52]),
    );
  }

  #done(text: string): GeneratedQuery {
    return { text, parameters: [...this.#parameters] };
  }

  #where(): string {
    return this.#random.chance(0.85) ? ` WHERE ${this.#condition(0)}` : "";
  }

  #direction(): string {
    return this.#random.pick(["", " ASC", " DESC"]);
  }

  #limit(): string {
    const random = this.#random;
    let text = "";
    if (random.chance(0.3)) text += ` LIMIT ${this.#operand(() => random.below(12))}`;
    if (random.chance(0.2)) text += ` OFFSET ${this.#operand(() => random.below(6))}`;
    return text;
  }

  #path(): string {
    return spellPath(this.#random.pick(PATHS));
  }

  /** A path, or the text there in lower or upper case. */
  #field(): string {
    const random = this.#random;
    if (random.chance(0.88)) return this.#path();
    return `${random.pick(["LOWER", "upper"])}(${random.chance(0.5) ? "s" : this.#path()})`;
  }

  #wideField(): string {
    const random = this.#random;
    const path = spellPath(random.pick(WIDE_PATHS));
    return random.chance(0.9) ? path : `${random.pick(["lower", "UPPER"])}(${path})`;
  }

  /** On documents, or on what `subject` gives. */
  #condition(depth: number, subject?: () => string): string {
    const random = this.#random;
    if (depth < 3 && random.chance(0.45)) {
      const kind = random.below(3);
      if (kind === 0) return `NOT (${this.#condition(depth + 1, subject)})`;
      const parts = random.some(2, 3, () => `(${this.#condition(depth + 1, subject)})`);
      return parts.join(kind === 1 ? " AND " : " OR ");
    }
    const isWide = subject === undefined && random.chance(0.25);
    const look = subject ?? ((): string => this.#field());
    const path = isWide ? this.#wideField() : look();
    const not = random.chance(0.4) ? "NOT " : "";
    // Of groups there is much to count.
    const counts = subject !== undefined && random.chance(0.5);
    const value = (): string => this.#operand(() => (counts ? random.below(6) : this.#comparable()));
    switch (random.below(9)) {
      case 0:
      case 1:
        return `${path} ${random.pick(["=", "!=", "<>"])} ${value()}`;
      case 2:
      case 3:
        return `${path} ${random.pick(["<", "<=", ">", ">="])} ${value()}`;
      case 4:
        return `${path} ${random.pick(["=", "!=", "<", "<=", ">", ">="])} ${!isWide && random.chance(0.6) ? look() : value()}`;
      case 5:
        return `${path} ${not}BETWEEN ${value()} AND ${value()}`;
      case 6: {
        if (random.chance(0.3))
          return `${path} ${not}IN ${this.#parameter(random.some(0, 4, () => this.#comparable()))}`;
        // A list of one parameter that is an array is refused.
        const list = random.chance(0.2) ? [] : random.some(2, 4, value);
        return `${path} ${not}IN (${list.join(", ")})`;
      }
      case 7:
        // CONTAINS looks at no aggregate.
        return random.chance(0.5) || /^(?:[A-Z]{3}|f\d)/.test(path)
          ? `${path} ${not}LIKE ${this.#operand(() => this.#pattern())}`
          : `${path} ${not}CONTAINS ${value()}`;
      default:
        return `${path} IS ${not}NULL`;
    }
  }

  #comparable(): unknown {
    const random = this.#random;
    if (random.chance(0.1)) return random.below(60);
    if (this.#pool.length > 0 && random.chance(0.5)) return random.pick(this.#pool);
    return generateValue(random);
  }

  #pattern(): string | null {
    const random = this.#random;
    if (random.chance(0.05)) return null;
    if (random.chance(0.3)) {
      return random
        .some(0, 4, () => random.pick(["%", "_", "\\", "\\%", "a", "é", "😀", random.pick(STRINGS)]))
        .join("");
    }
    // A text that there is, with some of its characters hidden, so that it matches itself and a few others.
    const text = random.pick(STRINGS);
    // Many wildcards in a long text take everybody's matching long.
    if (text.length > 20)
      return text.slice(0, 2 * random.below(text.length / 2)) + random.pick(["%", "_%", "%a"]);
    const hidden = Array.from(text, (char) => {
      if (random.chance(0.2)) return "_";
      if (random.chance(0.15)) return "%";
      return (/[%_\\]/.test(char) || random.chance(0.2) ? "\\" : "") + char;
    });
    return random.pick(["", "", "%"]) + hidden.join("") + random.pick(["", "", "%", "_"]);
  }

  /** A literal of the text, or a parameter. */
  #operand(make: () => unknown): string {
    const value = make();
    return this.#random.chance(0.5)
      ? this.#parameter(value)
      : (spellLiteral(value) ?? this.#parameter(value));
  }

  #parameter(value: unknown): string {
    return `$${this.#parameters.push(value)}`;
  }
}

/** A path as the text of a query has it. */
export function spellPath(path: readonly (string | number | null)[]): string {
  return path
    .map((part, i) => {
      if (typeof part !== "string") return `[${part ?? "*"}]`;
      const name = /^[a-z]+$/.test(part) ? part : `\`${part.replaceAll("`", "``")}\``;
      return i === 0 ? name : `.${name}`;
    })
    .join("");
}

/** A literal, where the language has one for this value. */
function spellLiteral(value: unknown): string | undefined {
  switch (typeof value) {
    case "string":
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a text is searched for
      return /[\u0000-\u001f]/.test(value) ? undefined : `'${value.replaceAll("'", "''")}'`;
    case "number":
      return Math.abs(value) > Number.MAX_SAFE_INTEGER ? undefined : JSON.stringify(value);
    case "boolean":
      return value ? "TRUE" : "false";
    default:
      return value === null ? "NULL" : undefined;
  }
}

function conflict(a: Path, b: Path): boolean {
  for (let i = 0; ; i++) {
    if (i === a.length || i === b.length) return true;
    if (typeof a[i] !== typeof b[i]) return true;
    if (a[i] !== b[i]) return false;
  }
}

/** Any statement that reads. */
export function generateRead(
  random: Random,
  collection: string,
  pool: readonly unknown[] = [],
): GeneratedQuery {
  const generator = new QueryGenerator(random, pool);
  return random.chance(0.7) ? generator.select(collection) : generator.aggregate(collection);
}

/** Any statement that changes documents. */
export function generateWrite(
  random: Random,
  collection: string,
  pool: readonly unknown[] = [],
): GeneratedQuery {
  const generator = new QueryGenerator(random, pool);
  return random.chance(0.75) ? generator.update(collection) : generator.delete(collection);
}
