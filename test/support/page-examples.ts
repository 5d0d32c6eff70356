import { readFileSync } from "node:fs";
import type { FormDB } from "../../src/index.ts";

/** The code blocks of a page of docs/, in their order. */
export function examplesOf(page: string): readonly string[] {
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), "utf8");
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code!);
}

/** Runs an example's code as it stands in the page, with `db`. */
export async function runExample(code: string, db: FormDB): Promise<unknown> {
  const AsyncFunction = (async () => {}).constructor as new (
    ...parts: string[]
  ) => (db: FormDB) => Promise<unknown>;
  return new AsyncFunction("db", code)(db);
}
