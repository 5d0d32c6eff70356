import { appendFileSync } from "node:fs";

/** A file that `report` appends each table to, as a line of JSON; unset outside of the guard. */
const JSON_FILE = process.env.BENCH_JSON;
/** For runs that only have to notice a large loss. */
const QUICK = process.env.BENCH_QUICK === "1";

/** What `report` appends. */
export interface Reported {
  readonly title: string;
  readonly measured: readonly Measured[];
}

/** One side of a comparison: does `operations` units of work each time it is called. */
export interface Contender {
  readonly name: string;
  /** How many units of work one call of `run` does. */
  readonly operations: number;
  run(): void | Promise<void>;
}

export interface Measured {
  readonly name: string;
  /** Median over the rounds, in operations a second. */
  readonly perSecond: number;
  readonly fastest: number;
  readonly slowest: number;
}

export interface CompareOptions {
  /** How often each contender has its turn. */
  readonly rounds?: number;
  /** How long one turn lasts at least. */
  readonly turnMs?: number;
}

/**
 * Lets the contenders take turns, round by round in a rotating order, so that a noisy machine hits all of
 * them alike, and gives each one's median rate. One round before the first is not counted.
 */
export async function compare(
  contenders: readonly Contender[],
  options: CompareOptions = {},
): Promise<Measured[]> {
  const { rounds, turnMs } = QUICK ? { rounds: 3, turnMs: 60 } : { rounds: 7, turnMs: 300, ...options };
  const rates = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const contender = contenders[(i + round) % contenders.length]!;
      const rate = await turn(contender, turnMs);
      if (round > 0) rates.get(contender.name)!.push(rate);
    }
  }
  return contenders.map(({ name }) => {
    const sorted = rates.get(name)!.toSorted((a, b) => a - b);
    return {
      name,
      perSecond: sorted[sorted.length >> 1]!,
      fastest: sorted.at(-1)!,
      slowest: sorted[0]!,
    };
  });
}

async function turn(contender: Contender, turnMs: number): Promise<number> {
  let done = 0;
  const start = performance.now();
  let elapsed = 0;
  while (elapsed < turnMs) {
    const pending = contender.run();
    if (pending !== undefined) await pending;
    done += contender.operations;
    elapsed = performance.now() - start;
  }
  return (done / elapsed) * 1_000;
}

/** Prints the result as a table, fastest first, each with its ratio to the first contender, which is ours. */
export function report(title: string, measured: readonly Measured[]): void {
  const ours = measured[0]!;
  if (JSON_FILE !== undefined)
    appendFileSync(JSON_FILE, `${JSON.stringify({ title, measured } satisfies Reported)}\n`);
  console.log(`\n${title}`);
  const rows = measured.toSorted((a, b) => b.perSecond - a.perSecond);
  const width = Math.max(...rows.map(({ name }) => name.length));
  for (const { name, perSecond, slowest, fastest } of rows) {
    const ratio = name === ours.name ? "" : `  ours / this = ${(ours.perSecond / perSecond).toFixed(2)}`;
    console.log(
      `  ${name.padEnd(width)}  ${format(perSecond)}/s  (${format(slowest)} to ${format(fastest)})${ratio}`,
    );
  }
}

function format(perSecond: number): string {
  return Math.round(perSecond).toLocaleString("en").padStart(12);
}
