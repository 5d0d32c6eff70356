import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Reported } from "../bench/harness/compare.ts";

/**
 * Draws the README's chart, how many queries a second each contender answers by the number of callers, from what
 * `BENCH_JSON=FILE npm run bench -- postgres-many-callers` has written: `node scripts/charts.ts FILE`.
 */
const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("Name the file that BENCH_JSON named");

const WIDTH = 720;
const HEIGHT = 300;
const LEFT = 64;
const BOTTOM = 44;
const TOP = 48;
const COLOURS = ["#0b6e4f", "#c1666b", "#4281a4", "#8a6d3b"];

const tables = readFileSync(file, "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Reported)
  .filter(({ title }) => title.includes("one shape"));
const groups = tables.map(({ title, measured }) => ({
  callers: /, ([\d]+) caller/.exec(title)?.[1] ?? "?",
  measured: measured.filter(({ name }) => !name.includes("batch.reads")),
}));
const names = groups[0]!.measured.map(({ name }) => name);
const most = Math.max(...groups.flatMap(({ measured }) => measured.map(({ perSecond }) => perSecond)));
const step = 10_000 * Math.ceil(most / 40_000);
const top = step * Math.ceil(most / step);
const y = (rate: number): number => HEIGHT - BOTTOM - (rate / top) * (HEIGHT - BOTTOM - TOP);
const groupWidth = (WIDTH - LEFT - 12) / groups.length;
const barWidth = (groupWidth * 0.8) / names.length;

const text = (x: number, at: number, content: string, anchor = "middle"): string =>
  `<text x="${x.toFixed(1)}" y="${at.toFixed(1)}" text-anchor="${anchor}">${content}</text>`;
const parts: string[] = [];
for (let rate = 0; rate <= top; rate += step) {
  parts.push(`<path d="M${LEFT} ${y(rate).toFixed(1)}H${WIDTH - 12}" stroke="#8884"/>`);
  parts.push(text(LEFT - 8, y(rate) + 4, rate === 0 ? "0" : `${rate / 1_000} 000`, "end"));
}
groups.forEach(({ callers, measured }, g) => {
  const start = LEFT + g * groupWidth + groupWidth * 0.1;
  measured.forEach(({ name, perSecond }, i) => {
    const at = y(perSecond);
    parts.push(
      `<rect x="${(start + i * barWidth).toFixed(1)}" y="${at.toFixed(1)}" width="${(barWidth - 2).toFixed(1)}" ` +
        `height="${(HEIGHT - BOTTOM - at).toFixed(1)}" fill="${COLOURS[i]}"><title>${name}: ${Math.round(perSecond)}/s</title></rect>`,
    );
  });
  parts.push(
    text(start + groupWidth * 0.4, HEIGHT - BOTTOM + 18, `${callers} caller${callers === "1" ? "" : "s"}`),
  );
});
names.forEach((name, i) => {
  const x = LEFT + i * 160;
  parts.push(`<rect x="${x}" y="14" width="12" height="12" fill="${COLOURS[i]}"/>`);
  parts.push(text(x + 18, 25, name === "ours" ? "@formdb/perf" : name, "start"));
});
const svg =
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" font-family="system-ui, sans-serif" font-size="12" fill="#666">\n` +
  `<title>Small indexed queries from PostgreSQL a second, by callers</title>\n${parts.join("\n")}\n` +
  `${text(WIDTH / 2, HEIGHT - 6, "small indexed queries from PostgreSQL a second, ten connections each; more is better")}\n</svg>\n`;
const images = fileURLToPath(new URL("../docs/images/", import.meta.url));
mkdirSync(images, { recursive: true });
writeFileSync(`${images}many-callers.svg`, svg);
