import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Results } from "../../bench/harness/results.ts";
import { charts } from "./charts.ts";
import { FIGURES } from "./figures.ts";
import { resultsPage } from "./results-page.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const PLACE = /(<!-- figures: (\S+) from npm run bench -->\n)[\s\S]*?(\n<!-- end of figures -->)/g;

/** All that is made of results, by path: `RESULTS.md`, the charts, and the guides that quote figures. */
export function pages(results: Results): ReadonlyMap<string, string> {
  const drawn = charts(results);
  const guides = readdirSync(`${root}docs`).filter((name) => name.endsWith(".md"));
  return new Map([
    ["bench/RESULTS.md", resultsPage(results, [...drawn.keys()])],
    ...[...drawn].map(([name, svg]): [string, string] => [`docs/images/${name}`, svg]),
    ...guides.flatMap((name): [string, string][] => {
      const text = readFileSync(`${root}docs/${name}`, "utf8");
      return text.match(PLACE) === null ? [] : [[`docs/${name}`, withFigures(text, results)]];
    }),
  ]);
}

/** A guide with the figures of these results in their places. */
function withFigures(text: string, results: Results): string {
  return text.replaceAll(PLACE, (_, begin: string, name: string, end: string) => {
    const figures = FIGURES[name];
    if (figures === undefined) {
      throw new Error(`There are no figures ${name}: ${Object.keys(FIGURES).join(", ")}`);
    }
    return `${begin}${figures(results)}${end}`;
  });
}

export function writePages(results: Results): void {
  mkdirSync(`${root}docs/images`, { recursive: true });
  for (const [path, text] of pages(results)) writeFileSync(`${root}${path}`, text);
}
