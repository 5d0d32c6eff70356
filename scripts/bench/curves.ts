import { grouped } from "../../bench/harness/grouped.ts";
import { at, COLOURS, GREY, hint, legend, line, type Place, picture, short, text, WIDTH } from "./svg.ts";

const HEIGHT = 280;
const LEFT = 48;
const GAP = 26;
const RIGHT = 10;
const TOP = 62;
const BOTTOM = 48;

export interface Panel {
  readonly label: string;
  /** A rate for each place on the axis. */
  readonly curves: readonly { readonly name: string; readonly rates: readonly number[] }[];
}

export interface Curves {
  readonly title: string;
  /** Written below the chart. */
  readonly unit: string;
  /** The places on the axis of each panel. */
  readonly axis: readonly number[];
  readonly panels: readonly Panel[];
}

/** Panels side by side with one scale of rates, both axes logarithmic: a line that stays level does not depend on the axis. */
export function curves({ title, unit, axis, panels }: Curves): string {
  const rates = panels.flatMap((panel) => panel.curves.flatMap((curve) => curve.rates));
  const [low, high] = [
    10 ** Math.floor(Math.log10(Math.min(...rates))),
    10 ** Math.ceil(Math.log10(Math.max(...rates))),
  ];
  const width = (WIDTH - LEFT - RIGHT - GAP * (panels.length - 1)) / panels.length;
  const y = (rate: number): number =>
    HEIGHT - BOTTOM - (Math.log(rate / low) / Math.log(high / low)) * (HEIGHT - BOTTOM - TOP);
  const parts: string[] = [];
  for (const [p, { label, curves: drawn }] of panels.entries()) {
    const left = LEFT + p * (width + GAP);
    const x = (i: number): number => left + 8 + (i / Math.max(1, axis.length - 1)) * (width - 16);
    for (let rate = low; rate <= high * 1.001; rate *= 10) {
      parts.push(line({ x: left, y: y(rate) }, { x: left + width, y: y(rate) }));
      if (p === 0) parts.push(text({ x: left - 6, y: y(rate) + 4 }, short(rate), "end"));
    }
    for (const [i, value] of axis.entries()) {
      parts.push(text({ x: x(i), y: HEIGHT - BOTTOM + 17 }, short(value)));
    }
    parts.push(text({ x: left + width / 2, y: TOP - 12 }, label));
    for (const [c, curve] of drawn.entries()) {
      parts.push(drawCurve(curve, c, (i, rate) => ({ x: x(i), y: y(rate) })));
    }
  }
  parts.push(
    legend(
      panels[0]!.curves.map(({ name }) => name),
      { x: LEFT, y: 24 },
    ),
  );
  parts.push(text({ x: WIDTH / 2, y: HEIGHT - 8 }, unit));
  return picture(title, HEIGHT, parts);
}

function drawCurve(
  { name, rates }: Panel["curves"][number],
  index: number,
  place: (i: number, rate: number) => Place,
): string {
  const colour = COLOURS[index] ?? GREY;
  const places = rates.map((rate, i) => place(i, rate));
  const path = places.map(({ x, y }, i) => `${i === 0 ? "M" : "L"}${at(x)} ${at(y)}`).join("");
  const dots = places.map(
    ({ x, y }, i) =>
      `<circle cx="${at(x)}" cy="${at(y)}" r="3" fill="${colour}">${hint(`${name}: ${grouped(rates[i]!)} a second`)}</circle>`,
  );
  return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"/>\n${dots.join("\n")}`;
}
