import { InvalidArgumentError, Option } from "commander";

/** `--db URL`. Where it is not given, `open()` looks at `FORMDB_URL`. */
export function databaseOption(): Option {
  return new Option(
    "--db <url>",
    "the database: sqlite:FILE, a path, or postgres://…; else what FORMDB_URL says, else sqlite:formdb.db",
  );
}

/** A whole number of at least `min` on the command line. */
export function wholeNumber(min: number, max: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new InvalidArgumentError(`It must be a whole number ${range}.`);
  };
}
