import { ratioOf } from "../../bench/harness/compare.ts";
import { grouped } from "../../bench/harness/grouped.ts";
import type { Figures, Rates } from "../../bench/harness/report.ts";
import { isRates, type Result, type Results } from "../../bench/harness/results.ts";
import { shown } from "./comparisons.ts";
import { table } from "./markdown.ts";

/** `bench/RESULTS.md`: all that was measured. */
export function resultsPage({ versions, scenarios }: Results, images: readonly string[]): string {
  const peers = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const minutes = Object.values(scenarios).reduce((sum, { seconds }) => sum + seconds, 0) / 60;
  return `${[
    "# Results",
    "Made by `npm run bench` from `results.json`, which has the same figures for programs.",
    "Contenders take turns in one process; shown are medians, the slowest and the fastest turn, and `ours / this`, the median of what our rate is over " +
      "theirs in each round. " +
      "Rates of one table can be compared, those of different tables or runs can't. `load` is how many processes wanted a core in the minute " +
      "before a scenario began: on two cores, figures of one that began above 2 tell little.",
    `- ${peers.join(", ")}`,
    `- ${Object.keys(scenarios).length} scenarios in ${Math.round(minutes)} minutes`,
    ...images.map((name) => `![${name}](../docs/images/${name})`),
    ...Object.entries(scenarios).map(([name, result]) => section(name, result)),
  ].join("\n\n")}\n`.replaceAll("\n\n- ", "\n- ");
}

function section(name: string, result: Result): string {
  const { date, commit, seconds, load, scale, machine, notes, tables, failure } = result;
  const facts = [`${date}, commit ${commit}`, `${seconds} s`, `load ${load}`, machine];
  if (scale !== 1) facts.push(`turns of ${scale} of their usual time`);
  return [
    `## ${name}`,
    facts.join("; "),
    ...notes,
    ...(failure === undefined ? [] : [`**Failed: ${failure}**`]),
    ...tables.map((one) => (isRates(one) ? ratesTable(one) : figuresTable(one))),
  ].join("\n\n");
}

function ratesTable({ title, measured }: Rates): string {
  const ours = measured[0]!;
  const rows = measured
    .toSorted((a, b) => b.perSecond - a.perSecond)
    .map((one) => [
      one.name,
      rounded(one.perSecond),
      `${spaced(one.slowest)} to ${spaced(one.fastest)}`,
      one === ours ? "" : shown(ratioOf(ours, one)),
    ]);
  return `${title}:\n\n${table(["", "a second", "slowest to fastest", "ours / this"], rows, { numbers: true })}`;
}

function figuresTable({ title, columns, rows }: Figures): string {
  return `${title}:\n\n${table(columns, rows, { numbers: true })}`;
}

const rounded = (rate: number): number => (rate < 100 ? Number(rate.toPrecision(3)) : Math.round(rate));
const spaced = (rate: number): string => grouped(rounded(rate));
