import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { batch, cache, pool } from "./dashboards/parts.ts";
import { budget, processes } from "./dashboards/process.ts";
import { errors, glance, red } from "./dashboards/queries.ts";
import type { Section } from "./dashboards/section.ts";

/** The dashboard from top to bottom. */
const SECTIONS: readonly Section[] = [glance, red, errors, cache, pool, batch, processes, budget];

/** Where the dashboard is kept. */
export const DASHBOARD_FILE: string = fileURLToPath(
  new URL("../dashboards/grafana/formdb.json", import.meta.url),
);

/** The Grafana dashboard over everything that FormDB exports. */
export function dashboard(): Dashboard {
  const builder = new DashboardBuilder("FormDB")
    .uid("formdb")
    .description(
      "Queries, plan cache, connection pools, batches and event loop of services that use @formdb/perf.",
    )
    .tags(["formdb", "database"])
    .editable()
    .time({ from: "now-1h", to: "now" })
    .timezone("browser")
    .refresh("30s")
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(new DatasourceVariableBuilder("datasource").label("Data source").type("prometheus"))
    .withVariable(choice("job", "label_values(formdb_query_total, job)"))
    .withVariable(choice("instance", 'label_values(formdb_query_total{job=~"$job"}, instance)'))
    .withVariable(choice("pool", 'label_values(formdb_pool_max_connections{job=~"$job"}, pool)'));
  for (const { title, panels } of SECTIONS) {
    builder.withRow(new RowBuilder(title));
    for (const panel of panels) builder.withPanel(panel);
  }
  const built = builder.build();
  // Links to a panel and its library state go by id, so an id has to stay what it is.
  for (const [i, panel] of (built.panels ?? []).entries()) panel.id = i + 1;
  return built;
}

/** The dashboard as its file has it. */
export function dashboardText(): string {
  return `${JSON.stringify(dashboard(), undefined, 2)}\n`;
}

function choice(name: string, query: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(`${name[0]!.toUpperCase()}${name.slice(1)}`)
    .datasource({ type: "prometheus", uid: "$datasource" })
    .query(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue(".*")
    .current({ text: "All", value: "$__all" });
}

if (import.meta.main) {
  await mkdir(dirname(DASHBOARD_FILE), { recursive: true });
  await writeFile(DASHBOARD_FILE, dashboardText());
}
