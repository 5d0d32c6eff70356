import type { LiveEvent, LivePool } from "../../live/live-event.ts";
import { byId, element, shown, table } from "./elements.ts";

/** What is used of uPlot, which the document loads before this script. */
interface Plot {
  setData(data: readonly (readonly (number | null)[])[]): void;
  setSize(size: { readonly width: number; readonly height: number }): void;
  destroy(): void;
}
declare const uPlot: new (options: object, data: readonly (readonly number[])[], place: HTMLElement) => Plot;

const PLOT_HEIGHT_PX = 150;
/** Rows of a chart's table: the last seconds, the newest first. */
const TABLE_ROWS = 30;

interface Series {
  readonly name: string;
  readonly of: (event: LiveEvent) => number;
}

interface ChartDefinition {
  readonly title: string;
  readonly unit: string;
  readonly series: readonly Series[];
}

function aSecond(count: number, event: LiveEvent): number {
  return (count * 1_000) / event.intervalMs;
}

function mainPool(event: LiveEvent): LivePool | undefined {
  return event.pools[0];
}

const CHARTS: readonly ChartDefinition[] = [
  {
    title: "Queries and errors",
    unit: "a second",
    series: [
      { name: "queries", of: (event) => aSecond(event.queries.count, event) },
      { name: "errors", of: (event) => aSecond(event.queries.errors, event) },
    ],
  },
  {
    title: "Time of a query",
    unit: "ms",
    series: [
      { name: "p50", of: ({ queries }) => queries.all.p50Ms },
      { name: "p95", of: ({ queries }) => queries.all.p95Ms },
      { name: "p99", of: ({ queries }) => queries.all.p99Ms },
    ],
  },
  {
    title: "Where the time goes, p95",
    unit: "ms",
    series: [
      { name: "waiting", of: ({ queries }) => queries.waiting.p95Ms },
      { name: "database", of: ({ queries }) => queries.database.p95Ms },
      { name: "decoding", of: ({ queries }) => queries.decoding.p95Ms },
    ],
  },
  {
    title: "Plan cache: hit rate",
    unit: "%",
    series: [
      { name: "hits", of: ({ cache }) => cache.hitRate * 100 },
      { name: "with twice the size", of: ({ cache }) => cache.doubledHitRate * 100 },
    ],
  },
  {
    title: "Plan cache: misses by reason",
    unit: "a second",
    series: ["cold", "evicted", "expired", "stale"].map((reason) => ({
      name: reason,
      of: (event: LiveEvent) => aSecond(event.cache.missesBy[reason] ?? 0, event),
    })),
  },
  {
    title: "Connections",
    unit: "",
    series: [
      { name: "in use", of: (event) => mainPool(event)?.inUse ?? 0 },
      { name: "idle", of: (event) => mainPool(event)?.idle ?? 0 },
      { name: "callers waiting", of: (event) => mainPool(event)?.waiting ?? 0 },
    ],
  },
  {
    title: "Oldest caller waiting for a connection",
    unit: "ms",
    series: [{ name: "waited", of: (event) => mainPool(event)?.oldestWaitMs ?? 0 }],
  },
  {
    title: "Reads answered together",
    unit: "",
    series: [
      { name: "calls per merged read", of: ({ mergedReads }) => mergedReads.callsPerStatement },
      { name: "statements saved a second", of: (event) => aSecond(event.mergedReads.saved, event) },
    ],
  },
  {
    title: "Writes",
    unit: "",
    series: [
      { name: "queued", of: ({ batch }) => batch.queued },
      { name: "rows per flush", of: ({ batch }) => batch.rowsPerFlush },
      { name: "flushes a second", of: (event) => aSecond(event.batch.flushes, event) },
    ],
  },
  {
    title: "Delay of the event loop",
    unit: "ms",
    series: [
      { name: "mean", of: ({ eventLoop }) => eventLoop.meanMs },
      { name: "p99", of: ({ eventLoop }) => eventLoop.p99Ms },
      { name: "max", of: ({ eventLoop }) => eventLoop.maxMs },
    ],
  },
];

function clockTime(seconds: number): string {
  return new Date(seconds * 1_000).toLocaleTimeString(undefined, { hour12: false });
}

/** A chart with its latest figures as a legend, and its table for those who can't see it. */
class Chart {
  readonly #definition: ChartDefinition;
  readonly #place = element("div", { class: "plot", "aria-hidden": "true" });
  readonly #figures: readonly HTMLElement[];
  readonly #details: HTMLDetailsElement;
  readonly #rows = element("div", { class: "scroll", tabindex: "0", role: "region" });
  #plot: Plot | undefined;

  constructor(definition: ChartDefinition) {
    this.#definition = definition;
    const { title, unit, series } = definition;
    this.#figures = series.map(() => element("b", {}, "–"));
    const legend = series.map(({ name }, i) => {
      const swatch = element("span", { class: "swatch" });
      swatch.style.background = `var(--series-${i + 1})`;
      return element("li", {}, swatch, name, this.#figures[i]!);
    });
    this.#rows.setAttribute("aria-label", `${title} as a table`);
    this.#details = element("details", {}, element("summary", {}, "As a table"), this.#rows);
    const head = unit === "" ? title : `${title}, ${unit}`;
    byId("holders-panel").before(
      element(
        "section",
        { "aria-label": head },
        element("h2", {}, head),
        this.#place,
        element("ul", { class: "legend" }, ...legend),
        this.#details,
      ),
    );
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(this.#place);
  }

  show(events: readonly LiveEvent[]): void {
    const latest = events.at(-1);
    if (latest === undefined) return;
    const { series } = this.#definition;
    series.forEach(({ of }, i) => {
      this.#figures[i]!.textContent = shown(of(latest));
    });
    this.#plot ??= this.#draw();
    this.#plot.setData([
      events.map(({ time }) => time / 1_000),
      ...series.map(({ of }) => events.map((event) => of(event))),
    ]);
    if (this.#details.open) this.#tabulate(events);
  }

  /** Draws anew, with the colours of the theme as it is now. */
  redraw(events: readonly LiveEvent[]): void {
    this.#plot?.destroy();
    this.#plot = undefined;
    this.show(events);
  }

  #tabulate(events: readonly LiveEvent[]): void {
    const { title, series } = this.#definition;
    const time = { head: "time", cell: (event: LiveEvent) => new Date(event.time).toLocaleTimeString() };
    const columns = series.map(({ name, of }) => ({ head: name, cell: of }));
    this.#rows.replaceChildren(table(title, [time, ...columns], events.slice(-TABLE_ROWS).reverse()));
  }

  #size(): { readonly width: number; readonly height: number } {
    return { width: Math.max(100, this.#place.clientWidth), height: PLOT_HEIGHT_PX };
  }

  #draw(): Plot {
    const axis = {
      stroke: colour("--quiet"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
    };
    const series = this.#definition.series.map(({ name }, i) => ({
      label: name,
      stroke: colour(`--series-${i + 1}`),
      width: 2,
      points: { show: false },
    }));
    return new uPlot(
      {
        ...this.#size(),
        legend: { show: false },
        cursor: { show: false },
        scales: { y: { range: (_plot: Plot, _min: number, max: number) => [0, Math.max(1, max * 1.1)] } },
        axes: [
          { ...axis, size: 28, space: 90, values: (_plot: Plot, times: number[]) => times.map(clockTime) },
          { ...axis, size: 56, values: (_plot: Plot, ticks: number[]) => ticks.map(shown) },
        ],
        series: [{}, ...series],
      },
      [[], ...series.map(() => [])],
      this.#place,
    );
  }
}

/** A colour of the theme as it is now: a canvas knows no variables. */
function colour(name: string): string {
  const probe = element("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

export class Charts {
  readonly #charts = CHARTS.map((definition) => new Chart(definition));

  show(events: readonly LiveEvent[]): void {
    for (const chart of this.#charts) chart.show(events);
  }

  redraw(events: readonly LiveEvent[]): void {
    for (const chart of this.#charts) chart.redraw(events);
  }
}
