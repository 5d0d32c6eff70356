import type { Results } from "../../bench/harness/results.ts";
import { COMPARISONS, ratiosOf, shown } from "./comparisons.ts";
import { at, COLOURS, GREY, hint, line, picture, text, WIDTH } from "./svg.ts";

const LEFT = 340;
const RIGHT = 60;
const TOP = 34;
const ROW = 22;
const BOTTOM = 46;
const AHEAD = COLOURS[0]!;
const BEHIND = COLOURS[1]!;

/** Each comparison of the pages as a row of dots, one a contender, on a logarithmic axis: right of 1 we are ahead, left of it behind. */
export function overview(results: Results): string | undefined {
  const rows = [...COMPARISONS.sqlite, ...COMPARISONS.postgres, ...COMPARISONS.http, ...COMPARISONS.parts]
    .map((comparison) => ({ comparison, ratios: ratiosOf(results, comparison) }))
    .filter(({ ratios }) => ratios.length > 0);
  if (rows.length === 0) return undefined;
  const all = rows.flatMap(({ ratios }) => ratios.map(({ ratio }) => ratio));
  const low = Math.min(0.5, ...all);
  const high = Math.max(2, ...all);
  const height = TOP + rows.length * ROW + BOTTOM;
  const x = (ratio: number): number =>
    LEFT + (Math.log(ratio / low) / Math.log(high / low)) * (WIDTH - LEFT - RIGHT);
  const parts: string[] = [];
  for (const mark of [0.1, 0.25, 0.5, 1, 2, 4, 10, 40, 100].filter((one) => one >= low && one <= high)) {
    const stroke = mark === 1 ? GREY : undefined;
    parts.push(line({ x: x(mark), y: TOP - 6 }, { x: x(mark), y: height - BOTTOM }, stroke));
    parts.push(text({ x: x(mark), y: TOP - 12 }, `${mark} ×`));
  }
  for (const [i, { comparison, ratios }] of rows.entries()) {
    const y = TOP + (i + 0.5) * ROW;
    parts.push(text({ x: LEFT - 24, y: y + 4 }, label(comparison), "end"));
    for (const { name, ratio } of ratios) {
      parts.push(
        `<circle cx="${at(x(ratio))}" cy="${at(y)}" r="5" fill="${ratio < 1 ? BEHIND : AHEAD}" fill-opacity="0.75">` +
          `${hint(`${name}: ${shown(ratio)} ×`)}</circle>`,
      );
    }
  }
  parts.push(
    text(
      { x: WIDTH / 2, y: height - 10 },
      "our rate over that of each contender in the same run; right of 1 we are ahead, left of it behind",
    ),
  );
  return picture("Our rate over each contender's, by scenario", height, parts);
}

const ENGINES: Readonly<Record<string, string>> = { sqlite: "SQLite", postgres: "PostgreSQL", http: "HTTP" };

function label({ what, scenario }: { readonly what: string; readonly scenario: string }): string {
  const engine = ENGINES[scenario.split("-")[0]!];
  const plain = what.replaceAll("`", "");
  return engine === undefined ? plain : `${engine}: ${plain}`;
}
