/** What the dashboard's variables choose; every selector has it. */
const CHOSEN = 'job=~"$job", instance=~"$instance"';

/** A series selector of a metric. `matchers` are added to what the dashboard's variables choose. */
export function select(metric: string, matchers = ""): string {
  return `formdb_${metric}{${CHOSEN}${matchers === "" ? "" : `, ${matchers}`}}`;
}

/** The same for a metric of connection pools. */
export function selectPool(metric: string, matchers = ""): string {
  return select(metric, `pool=~"$pool"${matchers === "" ? "" : `, ${matchers}`}`);
}

/** How fast a counter grows, in all chosen processes. */
export function rate(selector: string, by = ""): string {
  return sum(`rate(${selector}[$__rate_interval])`, by);
}

/** How much a counter has grown between two points of a graph. */
export function increase(selector: string, by = ""): string {
  return sum(`increase(${selector}[$__rate_interval])`, by);
}

export function sum(expr: string, by = ""): string {
  return `sum${by === "" ? "" : ` by (${by})`} (${expr})`;
}

export function max(expr: string, by = ""): string {
  return `max${by === "" ? "" : ` by (${by})`} (${expr})`;
}

/** A quantile of a histogram's values; `selector` names its buckets. */
export function quantile(q: number, selector: string, by = ""): string {
  return `histogram_quantile(${q}, ${rate(selector, by === "" ? "le" : `le, ${by}`)})`;
}

/** A share from 0 to 1; no value where there is nothing to take a share of. */
export function share(part: string, whole: string): string {
  return `${part} / (${whole} > 0)`;
}
