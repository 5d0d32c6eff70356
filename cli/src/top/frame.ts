import sliceAnsi from "slice-ansi";
import stringWidth from "string-width";
import type { LiveEvent, LivePool } from "../live/live-event.ts";
import { verdictOf } from "../live/verdict.ts";
import { grouped } from "../numbers.ts";
import type { Paint } from "../print/colours.ts";
import { printable } from "../print/printable.ts";
import type { TopStatement } from "./live-source.ts";
import { sparkline } from "./sparkline.ts";

/** What the screen shows. */
export interface View {
  readonly address: string;
  /** The newest last. */
  readonly events: readonly LiveEvent[];
  /** Absent where the source has none. */
  readonly statements: readonly TopStatement[] | undefined;
  /** Why the connection is lost, if it is. */
  readonly lost: string | undefined;
}

export interface Screen {
  readonly columns: number;
  readonly rows: number;
  readonly paint: Paint;
}

const LABEL_COLUMNS = 9;
const MAX_SPARKLINE_COLUMNS = 30;
const MIN_SPARKLINE_COLUMNS = 8;
/** What the figures of a line take at least, so that all lines' bars stand below each other. */
const FIGURES_COLUMNS = 50;
const STATEMENT_FIGURES_COLUMNS = 38;

/** The screen as lines, none wider and not more of them than the terminal has. */
export function frame(view: View, screen: Screen): string {
  const { columns, rows, paint } = screen;
  const lines = [head(view, screen), ...verdict(view, screen), ""];
  const latest = view.events.at(-1);
  if (latest !== undefined) {
    lines.push(...figures(view, latest, screen));
    lines.push("", ...statements(view, screen, rows - lines.length - 2));
  } else if (view.lost === undefined) {
    lines.push(paint("dim", "Waiting for the first figures …"));
  }
  return lines
    .slice(0, rows - 1)
    .map((line) => (stringWidth(line) > columns ? sliceAnsi(line, 0, columns) : line))
    .join("\n");
}

/** One event as a line of words that programs can take apart. */
export function plainLine(events: readonly LiveEvent[]): string {
  const event = events.at(-1)!;
  const { queries, cache, batch, eventLoop } = event;
  const pool = event.pools.map(
    ({ name, inUse, max, waiting }) => `${printable(name)}=${inUse}/${max}+${waiting}`,
  );
  return [
    new Date(event.time).toISOString(),
    `queries/s=${rate(queries.count, event)}`,
    `errors/s=${rate(queries.errors, event)}`,
    `p50=${ms(queries.all.p50Ms)}ms`,
    `p95=${ms(queries.all.p95Ms)}ms`,
    `p99=${ms(queries.all.p99Ms)}ms`,
    `hits=${share(cache.hitRate)}`,
    ...pool,
    `queued=${batch.queued}`,
    `loop_p99=${ms(eventLoop.p99Ms)}ms`,
    `verdict=${JSON.stringify(verdictOf(events).state)}`,
  ]
    .join(" ")
    .replaceAll(/(\d) (\d)/g, "$1$2");
}

function head({ address, events }: View, { columns, paint }: Screen): string {
  const event = events.at(-1);
  const facts = [
    event?.profile === undefined ? undefined : printable(event.profile),
    event?.uptimeMs === undefined ? undefined : `up ${duration(event.uptimeMs)}`,
  ];
  const left = [
    `${paint("bold", "formdb top")}  ${printable(address)}`,
    ...facts.filter((fact) => fact !== undefined),
  ].join(" · ");
  const right = "q ends";
  return `${left}${" ".repeat(Math.max(2, columns - stringWidth(left) - right.length))}${paint("dim", right)}`;
}

function verdict({ events, lost }: View, { columns, paint }: Screen): string[] {
  if (lost !== undefined) {
    const text = `The connection is lost (${printable(lost)}); trying again …`;
    return [paint("red", sliceAnsi(text, 0, columns))];
  }
  if (events.length === 0) return [];
  const { state, because } = verdictOf(events);
  return [`${paint(["bold", state === "healthy" ? "green" : "red"], `● ${state}`)}  ${printable(because)}`];
}

function figures({ events }: View, event: LiveEvent, screen: Screen): string[] {
  const { paint } = screen;
  const { queries, cache, batch, mergedReads, eventLoop } = event;
  const history = (of: (event: LiveEvent) => number): number[] => events.map(of);
  const line = (label: string, text: string, values?: readonly number[]): string =>
    row({ label, text, values }, screen);
  const misses = counts(cache.missesBy, event);
  const errors = counts(event.errors, event);
  return [
    line(
      "queries",
      `${strong(rate(queries.count, event), paint)}/s   errors ${rate(queries.errors, event)}/s   under way ${queries.inFlight}`,
      history((one) => one.queries.count / one.intervalMs),
    ),
    line(
      "time, ms",
      `p50 ${ms(queries.all.p50Ms)}   p95 ${strong(ms(queries.all.p95Ms), paint)}   p99 ${ms(queries.all.p99Ms)}`,
      history((one) => one.queries.all.p95Ms),
    ),
    line(
      "",
      `of p95: waiting ${ms(queries.waiting.p95Ms)}, database ${ms(queries.database.p95Ms)}, decoding ${ms(queries.decoding.p95Ms)}`,
    ),
    line(
      "plans",
      `${strong(share(cache.hitRate), paint)} hits   ${grouped(cache.size)} of ${grouped(cache.maxSize)} cached${misses === "" ? "" : `   misses ${misses}`}`,
      history((one) => one.cache.hitRate),
    ),
    ...event.pools.map((pool, i) =>
      line(i === 0 ? "pool" : "", poolText(pool, paint), history(inUseOf(pool.name))),
    ),
    line(
      "reads",
      `${amount(mergedReads.callsPerStatement)} calls a merged read, ${rate(mergedReads.saved, event)} statements/s saved`,
      history((one) => one.mergedReads.callsPerStatement),
    ),
    line(
      "writes",
      `${amount(batch.rowsPerFlush)} rows a flush, ${rate(batch.flushes, event)} flushes/s, ${grouped(batch.queued)} queued`,
      history((one) => (one.batch.rowsPerFlush * one.batch.flushes) / one.intervalMs),
    ),
    line(
      "loop",
      `late by ${strong(ms(eventLoop.p99Ms), paint)} ms (p99), busy ${share(eventLoop.utilization)}`,
      history((one) => one.eventLoop.p99Ms),
    ),
    ...(errors === "" ? [] : [line("errors", paint("red", errors))]),
  ];
}

interface RowParts {
  readonly label: string;
  readonly text: string;
  readonly values?: readonly number[] | undefined;
}

function row({ label, text, values }: RowParts, { columns, paint }: Screen): string {
  const begin = `${paint("dim", label.padEnd(LABEL_COLUMNS))}${text}`;
  const used = LABEL_COLUMNS + Math.max(FIGURES_COLUMNS, stringWidth(text) + 2);
  const room = Math.min(MAX_SPARKLINE_COLUMNS, columns - used);
  if (values === undefined || room < MIN_SPARKLINE_COLUMNS) return begin;
  const gap = " ".repeat(columns - room - stringWidth(begin));
  return `${begin}${gap}${paint("cyan", sparkline(values, room))}`;
}

function poolText(
  { name, inUse, idle, waiting, pending, max, oldestWaitMs }: LivePool,
  paint: Paint,
): string {
  const text = `${printable(name)} ${strong(`${inUse} of ${max}`, paint)} in use, ${idle} idle`;
  const opening = pending === 0 ? "" : `, ${pending} opening`;
  if (waiting === 0) return `${text}${opening}`;
  return `${text}${opening}, ${paint("red", `${waiting} wait, ${ms(oldestWaitMs)} ms`)}`;
}

function inUseOf(name: string): (event: LiveEvent) => number {
  return ({ pools }) => pools.find((pool) => pool.name === name)?.inUse ?? 0;
}

function statements({ statements: all }: View, { columns, paint }: Screen, room: number): string[] {
  if (room < 2) return [];
  if (all === undefined) {
    return [paint("dim", "The statements are told by `formdb serve`, not by a page of metrics.")];
  }
  const width = Math.max(20, columns - STATEMENT_FIGURES_COLUMNS);
  const title = "statements by total time".padEnd(width);
  const header = paint(
    "dim",
    `${title}${"total".padStart(9)}${"calls".padStart(11)}${"mean ms".padStart(9)}${"p99 ms".padStart(9)}`,
  );
  const lines = all.slice(0, room - 1).map(({ shape, calls, totalMs, meanMs, p99Ms, errors }) => {
    const text = printable(shape.replaceAll(/\s+/g, " "));
    const cut = stringWidth(text) < width ? text : `${sliceAnsi(text, 0, width - 2)}…`;
    const painted = errors > 0 ? paint("red", cut) : cut;
    const gap = " ".repeat(Math.max(0, width - stringWidth(cut)));
    return `${painted}${gap}${duration(totalMs).padStart(9)}${grouped(calls).padStart(11)}${ms(meanMs).padStart(9)}${ms(p99Ms).padStart(9)}`;
  });
  return [header, ...lines];
}

function strong(text: string, paint: Paint): string {
  return paint("bold", text);
}

function counts(by: Readonly<Record<string, number>>, event: LiveEvent): string {
  return Object.entries(by)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${printable(name)} ${rate(count, event)}/s`)
    .join(", ");
}

function rate(count: number, { intervalMs }: LiveEvent): string {
  return amount((count * 1_000) / intervalMs);
}

function amount(value: number): string {
  return value >= 10 || value === 0 ? grouped(value) : value.toFixed(1);
}

function ms(value: number): string {
  if (value >= 100) return grouped(value);
  return value >= 10 || value === 0 ? value.toFixed(value === 0 ? 0 : 1) : value.toFixed(2);
}

function share(value: number): string {
  const text = (value * 100).toFixed(value >= 0.9995 || value === 0 ? 0 : 1);
  return `${text}%`;
}

function duration(elapsedMs: number): string {
  if (elapsedMs < 1_000) return `${Math.round(elapsedMs)} ms`;
  const s = elapsedMs / 1_000;
  if (s < 120) return `${s.toFixed(s < 10 ? 1 : 0)} s`;
  if (s < 7_200) return `${Math.floor(s / 60)} min`;
  return s < 172_800 ? `${Math.floor(s / 3_600)} h` : `${Math.floor(s / 86_400)} d`;
}
