import { type Measured, ratioOf } from "../../bench/harness/compare.ts";
import { grouped } from "../../bench/harness/grouped.ts";
import { at, COLOURS, GREY, hint, legend, line, picture, short, text, WIDTH } from "./svg.ts";

const HEIGHT = 300;
const LEFT = 56;
const RIGHT = 8;
const TOP = 44;
const BOTTOM = 42;

export interface Group {
  readonly label: string;
  readonly measured: readonly Measured[];
}

export interface Bars {
  readonly title: string;
  /** Written below the chart. */
  readonly unit: string;
  readonly groups: readonly Group[];
  /** As multiples of the first contender's median, where the rates of groups are too far apart for one scale. */
  readonly relative?: boolean;
}

/** Groups of bars, one a contender: medians, with a line from the slowest turn to the fastest. */
export function bars({ title, unit, groups, relative = false }: Bars): string {
  const shown = relative ? groups.map(besideOurs) : groups;
  const names = shown[0]!.measured.map(({ name }) => name);
  const most = Math.max(...shown.flatMap(({ measured }) => measured.map(({ fastest }) => fastest)));
  const step = stepFor(most);
  const top = step * Math.ceil(most / step);
  const y = (rate: number): number => HEIGHT - BOTTOM - (rate / top) * (HEIGHT - BOTTOM - TOP);
  const parts: string[] = [];
  for (let rate = 0; rate <= top * 1.001; rate += step) {
    parts.push(line({ x: LEFT, y: y(rate) }, { x: WIDTH - RIGHT, y: y(rate) }));
    parts.push(text({ x: LEFT - 8, y: y(rate) + 4 }, rate === 0 ? "0" : short(rate), "end"));
  }
  const groupWidth = (WIDTH - LEFT - RIGHT) / shown.length;
  const barWidth = (groupWidth * 0.8) / names.length;
  for (const [g, { label, measured }] of shown.entries()) {
    const start = LEFT + g * groupWidth + groupWidth * 0.1;
    for (const { name, perSecond, slowest, fastest } of measured) {
      const i = names.indexOf(name);
      const x = start + i * barWidth;
      const rate = groups[g]!.measured.find((one) => one.name === name)!.perSecond;
      parts.push(
        `<rect x="${at(x)}" y="${at(y(perSecond))}" width="${at(barWidth - 2)}" height="${at(y(0) - y(perSecond))}" ` +
          `fill="${COLOURS[i]}">${hint(`${name}: ${grouped(Math.round(rate))} a second`)}</rect>`,
      );
      const middle = x + barWidth / 2 - 1;
      parts.push(line({ x: middle, y: y(slowest) }, { x: middle, y: y(fastest) }, GREY));
    }
    parts.push(text({ x: start + groupWidth * 0.4, y: HEIGHT - BOTTOM + 17 }, label));
  }
  parts.push(legend(names, { x: LEFT, y: 24 }));
  parts.push(text({ x: WIDTH / 2, y: HEIGHT - 6 }, unit));
  return picture(title, HEIGHT, parts);
}

function besideOurs({ label, measured }: Group): Group {
  const ours = measured[0]!;
  const scaled = measured.map((one) => ({
    ...one,
    perSecond: 1 / ratioOf(ours, one),
    slowest: one.slowest / ours.perSecond,
    fastest: one.fastest / ours.perSecond,
  }));
  return { label, measured: scaled };
}

/** A round step, for four to eight lines. */
function stepFor(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most));
  return [0.1, 0.2, 0.25, 0.5, 1].map((part) => part * power).find((step) => most / step <= 7) ?? power;
}
