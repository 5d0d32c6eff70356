import { InvalidArgumentError, Option } from "commander";

/** `--db URL`, which all commands take. */
export function databaseOption(): Option {
  return new Option("--db <url>", "the database: sqlite:FILE, a path, or postgres://…").env("FORMDB_URL");
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
