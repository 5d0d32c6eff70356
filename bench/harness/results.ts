import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Figures, Rates } from "./report.ts";

/** One run of one scenario. */
export interface Result {
  readonly date: string;
  readonly commit: string;
  readonly machine: string;
  /** What part of their usual time turns lasted; see `--minutes`. */
  readonly scale: number;
  readonly seconds: number;
  /** Processes that wanted a core when it began, as the kernel counts them over a minute. */
  readonly load: number;
  readonly tables: readonly (Rates | Figures)[];
  readonly notes: readonly string[];
  /** Its last words, if it failed. */
  readonly failure?: string | undefined;
}

/** The newest result of each scenario: `bench/results.json`, of which the pages and charts are made. */
export interface Results {
  /** Of the contenders, as they were installed when something was last measured. */
  readonly versions: Readonly<Record<string, string>>;
  readonly scenarios: Readonly<Record<string, Result>>;
}

const file = fileURLToPath(new URL("../results.json", import.meta.url));

export function readResults(): Results {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Results;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { versions: {}, scenarios: {} };
    throw error;
  }
}

export function writeResults({ versions, scenarios }: Results): void {
  const sorted = Object.fromEntries(Object.entries(scenarios).sort(([a], [b]) => (a < b ? -1 : 1)));
  const text = JSON.stringify({ versions, scenarios: sorted }, undefined, 2);
  // The rates of the rounds are in one line.
  writeFileSync(file, `${text.replace(/\[[\d.,\s]+\]/g, (rates) => rates.replace(/\s+/g, ""))}\n`);
}

export function isRates(table: Rates | Figures): table is Rates {
  return "measured" in table;
}
