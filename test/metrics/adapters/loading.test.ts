import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

/** Runs a program in a process where the named packages are not installed; gives what it prints. */
function runWithout(packages: readonly string[], program: string): unknown {
  const source = (path: string): string =>
    JSON.stringify(fileURLToPath(new URL(`../../../src/${path}`, import.meta.url)));
  const code = `
    import { registerHooks } from "node:module";
    const asked = [];
    registerHooks({
      resolve(specifier, context, next) {
        if (${JSON.stringify(packages)}.includes(specifier)) {
          asked.push(specifier);
          throw Object.assign(new Error("Cannot find package " + specifier), { code: "ERR_MODULE_NOT_FOUND" });
        }
        return next(specifier, context);
      },
    });
    const metrics = await import(${source("metrics.ts")});
    const otel = await import(${source("metrics/adapters/opentelemetry.ts")});
    const prom = await import(${source("metrics/adapters/prom-client.ts")});
    const withProm = await import(${source("metrics/adapters/with-prom-client.ts")});
    ${program}`;
  const output = execFileSync(process.execPath, ["--input-type=module", "--eval", code], {
    encoding: "utf8",
  });
  return JSON.parse(output);
}

const OPTIONAL = ["@opentelemetry/api", "prom-client"];

/** The files of `src/` that importing one of them loads, by their paths in it. */
function loadedBy(entry: string): string[] {
  const root = new URL("../../../src/", import.meta.url).href;
  const code = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({
      load(url, context, next) {
        loaded.push(url);
        return next(url, context);
      },
    });
    await import(${JSON.stringify(root + entry)});
    console.log(JSON.stringify(loaded));`;
  const output = execFileSync(process.execPath, ["--input-type=module", "--eval", code], {
    encoding: "utf8",
  });
  return (JSON.parse(output) as string[]).map((url) => url.replace(root, "")).toSorted();
}

/** What is beside the core of the metrics. */
const isExtra = (file: string): boolean =>
  /^metrics\/(adapters|cluster)\/|^metrics\/tracing-channels\.ts$|^metrics\/(listen|event-loop)\.ts$/.test(
    file,
  ) || file.includes("node_modules");

describe("Importing", () => {
  test("metrics loads their core: no adapter, no sum over processes, no channels, no package", () => {
    const loaded = loadedBy("metrics.ts");
    expect(loaded).toContain("metrics/metrics.ts");
    expect(loaded.filter(isExtra)).toEqual(["metrics/listen.ts"]);
  });

  test.each([
    ["diagnostics.ts", ["metrics/tracing-channels.ts"]],
    ["cluster.ts", ["metrics/cluster/aggregate.ts", "metrics/cluster/collector.ts"]],
    ["prom-client.ts", ["metrics/adapters/prom-client.ts", "metrics/adapters/with-prom-client.ts"]],
    [
      "opentelemetry.ts",
      [
        "metrics/adapters/opentelemetry-api.ts",
        "metrics/adapters/opentelemetry-metrics.ts",
        "metrics/adapters/opentelemetry-spans.ts",
        "metrics/adapters/opentelemetry.ts",
        "metrics/tracing-channels.ts",
      ],
    ],
  ])("%s loads its own extras and none of the others", (entry, extras) => {
    expect(loadedBy(entry).filter(isExtra)).toEqual(extras);
  });
});

describe("The adapters' packages", () => {
  test("are not loaded by importing metrics or adapters, and prom-client not by using its adapter", () => {
    const asked = runWithout(
      OPTIONAL,
      `const registry = {
        contentType: "text/plain", registerMetric() {}, removeSingleMetric() {}, getSingleMetric() {},
        getMetricsAsJSON: async () => [],
      };
      const store = new metrics.Metrics();
      prom.addToPromClient(store, registry);
      await withProm.withPromClient(store, registry).exportAsync();
      console.log(JSON.stringify(asked));`,
    );
    expect(asked).toEqual([]);
  });

  test("are named where one is needed and missing", () => {
    const failure = runWithout(
      OPTIONAL,
      `console.log(JSON.stringify(await otel.openTelemetry().then(
        () => "worked",
        ({ code, message, cause }) => ({ code, message, cause: cause.message, asked }),
      )));`,
    );
    expect(failure).toEqual({
      code: "FORMDB_CONFIG",
      message: "OpenTelemetry can't be used: the package @opentelemetry/api must be installed, and is not",
      cause: "Cannot find package @opentelemetry/api",
      asked: ["@opentelemetry/api"],
    });
  });
});
