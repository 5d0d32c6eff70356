import { InvalidArgumentError, Option } from "commander";

/** `--db URL` of a command that opens the database itself. Where it is not given, `open()` looks at `FORMDB_URL`. */
export function databaseOption(): Option {
  return optionFor("sqlite:FILE, a path, or postgres://…");
}

/** The same of what is for SQLite's files alone. */
export function fileOption(): Option {
  return optionFor("sqlite:FILE or a path");
}

/** The same where it may be behind a server. */
export function databaseOrServerOption(): Option {
  return optionFor("sqlite:FILE, a path, postgres://…, or http://… for a formdb serve");
}

function optionFor(urls: string): Option {
  return new Option("--db <url>", `the database: ${urls}; else what FORMDB_URL says, else sqlite:formdb.db`);
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

/**
 * The action of a command: its exit code is what `load` loads gives. What does the work is loaded only when there is some, so
 * that help and refusals come at once.
 */
export function running<Values extends unknown[]>(
  load: () => Promise<(...values: Values) => Promise<number>>,
): (...values: Values) => Promise<void> {
  return async (...values) => {
    const run = await load();
    process.exitCode = await run(...values);
  };
}
