import type { Builder } from "@grafana/grafana-foundation-sdk/cog";
import type { Panel } from "@grafana/grafana-foundation-sdk/dashboard";
import type { Query } from "./panels.ts";
import { quantile, rate, select, share } from "./promql.ts";

/** A heading with the panels under it. */
export interface Section {
  readonly title: string;
  readonly panels: readonly Builder<Panel>[];
}

/** How fast a counter grows, a line for each value of a label. */
export function rateBy(selector: string, label: string): Query {
  return [rate(selector, label), `{{${label}}}`];
}

/** Median and tails of a histogram's values. */
export function quantiles(selector: string): Query[] {
  return [0.5, 0.95, 0.99].map((q): Query => [quantile(q, selector), `p${q * 100}`]);
}

const hits = rate(select("cache_hits_total"));
// Texts that the compiler refuses, such as syntax errors, say nothing about the cache.
const misses = rate(select("cache_misses_by_reason_total", 'reason!="invalid"'));
const lookups = `(${hits} + ${misses})`;

/** The share of look-ups in the plan cache that found a plan. */
export const hitRatio: string = share(hits, lookups);

// A plan that was pushed out of late would still have been there.
const found = `(${hits} + ${rate(select("cache_misses_by_reason_total", 'reason="evicted"'))})`;

/** What it would be in caches of twice the size. */
export const doubledHitRatio: string = share(found, lookups);
