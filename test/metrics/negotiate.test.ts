import { describe, expect, test } from "vitest";
import { Metrics } from "../../src/metrics/metrics.ts";
import { acceptsGzip, formatFor } from "../../src/metrics/negotiate.ts";

const PROMETHEUS_2 =
  "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4," +
  "text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
const PROMETHEUS_3 =
  "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6," +
  "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4," +
  "text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

describe("The format", () => {
  test.each([
    [undefined, "prometheus"],
    ["", "prometheus"],
    ["*/*", "prometheus"],
    ["text/html,application/xhtml+xml,*/*;q=0.8", "prometheus"],
    ["text/plain", "prometheus"],
    [PROMETHEUS_2, "openmetrics"],
    [PROMETHEUS_3, "openmetrics"],
    ["application/openmetrics-text", "openmetrics"],
    ['Application/OpenMetrics-Text; Version="1.0.0"', "openmetrics"],
    ["application/openmetrics-text;version=0.0.1", "prometheus"],
    ["application/openmetrics-text;q=0.1,text/plain;q=0.9", "prometheus"],
    ["application/openmetrics-text;q=0.1,*/*;q=0.9", "prometheus"],
    ["application/openmetrics-text;q=0.5,text/plain;q=0.4,*/*;q=0.9", "openmetrics"],
    ["application/openmetrics-text;q=0", "prometheus"],
    ["application/openmetrics-text;q=nonsense", "prometheus"],
    ["application/json", "prometheus"],
    [`application/openmetrics-text,${"x".repeat(5_000)}`, "prometheus"],
  ])("for Accept: %s is %s", (accept, format) => {
    expect(formatFor(accept)).toBe(format);
  });

  test("has its content type", () => {
    const metrics = new Metrics();
    expect(metrics.contentType()).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(metrics.contentType(PROMETHEUS_2)).toBe(
      "application/openmetrics-text; version=1.0.0; charset=utf-8",
    );
  });

  test("that is not known is refused", () => {
    expect(() => new Metrics().export("json" as never)).toThrow(/not as "json"/);
  });
});

test.each([
  [undefined, false],
  ["gzip, deflate, br", true],
  ["deflate", false],
  ["gzip;q=0, *", false],
  ["*", true],
  ["*;q=0", false],
  ["identity", false],
])("gzip for Accept-Encoding: %s is %s", (header, accepted) => {
  expect(acceptsGzip(header)).toBe(accepted);
});
