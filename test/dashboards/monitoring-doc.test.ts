import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { OtelMeter } from "../../src/metrics/adapters/opentelemetry-api.ts";
import { OtelPools, otelObserver } from "../../src/metrics/adapters/opentelemetry-metrics.ts";

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const doc = read("docs/monitoring.md");

describe("docs/monitoring.md", () => {
  test("lists every alert with its severities, and no other", () => {
    const { groups } = parse(read("dashboards/prometheus/formdb.rules.yml")) as {
      groups: { rules: { alert?: string; labels?: { severity: string } }[] }[];
    };
    const severities = new Map<string, Set<string>>();
    for (const { alert, labels } of groups.flatMap(({ rules }) => rules)) {
      if (alert === undefined) continue;
      severities.set(alert, (severities.get(alert) ?? new Set()).add(labels!.severity));
    }
    const listed = [...doc.matchAll(/^\| `(FormDB\w+)` \| ([a-z, ]+) \|/gm)];
    expect(listed.map(([, alert, severity]) => [alert, severity])).toEqual(
      [...severities].map(([alert, all]) => [alert, [...all].join(", ")]),
    );
  });

  test("lists every OpenTelemetry metric with its unit, and no other", () => {
    const made = new Map<string, string | undefined>();
    const make = (name: string, options?: { unit?: string }): object => {
      made.set(name, options?.unit);
      return { record: () => {}, add: () => {}, addCallback: () => {}, removeCallback: () => {} };
    };
    const meter = {
      createHistogram: make,
      createCounter: make,
      createObservableUpDownCounter: make,
    } as unknown as OtelMeter;
    otelObserver(meter, { attributes: {}, pool: "main" });
    new OtelPools(meter, {});
    const listed = [...doc.matchAll(/^\| `((?:db|formdb)\.[a-z._]+)` \| `([^`]+)` \|/gm)];
    expect(new Map(listed.map(([, name, unit]) => [name!, unit]))).toEqual(made);
  });
});
