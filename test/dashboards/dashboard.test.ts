import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { DASHBOARD_FILE, dashboard, dashboardText } from "../../scripts/dashboards.ts";

describe("The Grafana dashboard", () => {
  test("is in the repository as its script makes it", () => {
    // If this fails, run: node scripts/dashboards.ts
    expect(readFileSync(DASHBOARD_FILE, "utf8")).toBe(dashboardText());
  });

  test("has panels with ids of their own, a title, a description and queries, each on the chosen data source", () => {
    const panels = dashboard().panels ?? [];
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const panel of panels) {
      expect(panel.title).toMatch(/\S/);
      if (panel.type === "row" || !("targets" in panel)) continue;
      expect(panel.description, panel.title).toMatch(/\.$/);
      expect(panel.targets?.length, panel.title).toBeGreaterThan(0);
      const letters = panel.targets?.map((target) => (target as { refId?: string }).refId);
      expect(new Set(letters).size, panel.title).toBe(letters?.length);
      for (const target of [panel, ...(panel.targets ?? [])] as { datasource?: unknown }[]) {
        expect(target.datasource).toEqual({ type: "prometheus", uid: "$datasource" });
      }
    }
  });

  test("lays panels out side by side without overlap, inside of Grafana's 24 columns", () => {
    const taken = new Set<string>();
    for (const { title, gridPos } of dashboard().panels ?? []) {
      const { x, y, w, h } = gridPos!;
      expect(x + w, title).toBeLessThanOrEqual(24);
      for (let column = x; column < x + w; column++) {
        for (let row = y; row < y + h; row++) {
          expect(taken.has(`${column},${row}`), title).toBe(false);
          taken.add(`${column},${row}`);
        }
      }
    }
  });
});
