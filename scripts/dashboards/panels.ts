import type { Builder } from "@grafana/grafana-foundation-sdk/cog";
import {
  BigValueColorMode,
  BigValueGraphMode,
  LegendDisplayMode,
  LegendPlacement,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from "@grafana/grafana-foundation-sdk/common";
import {
  type Panel,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from "@grafana/grafana-foundation-sdk/dashboard";
import * as heatmap from "@grafana/grafana-foundation-sdk/heatmap";
import { DataqueryBuilder, PromQueryFormat } from "@grafana/grafana-foundation-sdk/prometheus";
import * as stat from "@grafana/grafana-foundation-sdk/stat";
import * as timeseries from "@grafana/grafana-foundation-sdk/timeseries";

/** Where panels read: the dashboard's variable of that name. */
const DATASOURCE = Object.freeze({ type: "prometheus", uid: "$datasource" });

/** Grafana's grid is 24 columns wide: three graphs stand side by side, or six numbers. */
const GRAPH_WIDTH = 8;
const GRAPH_HEIGHT = 8;
const NUMBER_WIDTH = 4;
const NUMBER_HEIGHT = 4;

/** One line of a graph: PromQL and what the legend says. */
export type Query = readonly [expr: string, legend: string];

export interface GraphOptions {
  /** Grafana's name of the unit. */
  readonly unit: string;
  readonly stacked?: boolean;
  readonly max?: number;
  /** Shows the traces that the values are examples of. */
  readonly exemplars?: boolean;
}

/** Values over time. */
export function graph(
  title: string,
  description: string,
  options: GraphOptions,
  ...queries: readonly Query[]
): Builder<Panel> {
  const panel = new timeseries.PanelBuilder()
    .title(title)
    .description(description)
    .datasource(DATASOURCE)
    .span(GRAPH_WIDTH)
    .height(GRAPH_HEIGHT)
    .unit(options.unit)
    .min(0)
    .lineWidth(1)
    .fillOpacity(options.stacked === true ? 30 : 8)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending));
  if (options.max !== undefined) panel.max(options.max);
  if (options.stacked === true) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal));
  for (const [i, [expr, legend]] of queries.entries()) {
    panel.withTarget(
      target(expr, legend, i)
        .range()
        .exemplar(options.exemplars ?? false),
    );
  }
  return panel;
}

/** The newest value in large figures; it takes a colour from `yellow` and `red` on, or below where they descend. */
export function number(
  title: string,
  unit: string,
  description: string,
  expr: string,
  limits: { readonly yellow: number; readonly red: number } | undefined,
): Builder<Panel> {
  return new stat.PanelBuilder()
    .title(title)
    .description(description)
    .datasource(DATASOURCE)
    .span(NUMBER_WIDTH)
    .height(NUMBER_HEIGHT)
    .unit(unit)
    .noValue("–")
    .colorMode(limits === undefined ? BigValueColorMode.None : BigValueColorMode.Value)
    .graphMode(BigValueGraphMode.Area)
    .thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps(limits)))
    .withTarget(target(expr, title, 0).range());
}

/** A histogram's buckets over time; `expr` gives one series a bucket. */
export function buckets(title: string, unit: string, description: string, expr: string): Builder<Panel> {
  return new heatmap.PanelBuilder()
    .title(title)
    .description(description)
    .datasource(DATASOURCE)
    .span(GRAPH_WIDTH)
    .height(GRAPH_HEIGHT)
    .calculate(false)
    .yAxis(new heatmap.YAxisConfigBuilder().unit(unit))
    .withTarget(target(expr, "{{le}}", 0).range().format(PromQueryFormat.Heatmap));
}

function target(expr: string, legend: string, index: number): DataqueryBuilder {
  return new DataqueryBuilder()
    .datasource(DATASOURCE)
    .refId(String.fromCharCode("A".charCodeAt(0) + index))
    .expr(expr)
    .legendFormat(legend);
}

function steps(limits: { readonly yellow: number; readonly red: number } | undefined): Threshold[] {
  // The first step has no bound.
  if (limits === undefined) return [{ value: null, color: "text" }];
  const { yellow, red } = limits;
  const colours = red > yellow ? ["green", "yellow", "red"] : ["red", "yellow", "green"];
  const bounds = [null, Math.min(yellow, red), Math.max(yellow, red)];
  return bounds.map((value, i) => ({ value, color: colours[i]! }));
}
