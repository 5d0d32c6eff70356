import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

/** The layer table of ARCHITECTURE.md: imports go strictly down, never sideways. */
const LAYERS: Readonly<Record<string, number>> = {
  base: 0,
  query: 1,
  dialect: 1,
  cache: 1,
  pool: 1,
  metrics: 1,
  plan: 2,
  batch: 2,
  backend: 2,
  engine: 3,
  server: 4,
  cli: 4,
};

/** Files beside the rooms: the public entries and the seed's functions. They stand above every room. */
const ENTRY_LAYER = 5;

const DRIVERS = ["better-sqlite3", "pg", "pg-cursor", "pg-copy-streams", "pg-query-stream"];

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../src");

interface Import {
  readonly file: string;
  readonly target: string;
  /** True for `import type`, which is gone when the code runs. */
  readonly typeOnly?: boolean;
}

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

function importsOf(file: string, text: string): Import[] {
  const matches = [
    ...text.matchAll(/^\s*(?:import|export)\b[^;"']*?\bfrom\s+["']([^"']+)["']/gm),
    ...text.matchAll(/^\s*import\s+["']([^"']+)["']/gm),
    ...text.matchAll(/\bimport\(\s*["']([^"']+)["']\s*\)/g),
  ];
  return matches.map(([statement, specifier = ""]) => ({
    file,
    target: specifier.startsWith(".") ? relative(root, resolve(root, dirname(file), specifier)) : specifier,
    typeOnly: /^\s*(?:import|export)\s+type\b/.test(statement),
  }));
}

function roomOf(file: string): string | undefined {
  return file.includes("/") ? file.slice(0, file.indexOf("/")) : undefined;
}

function layerOf(file: string): number {
  const room = roomOf(file);
  if (room === undefined) return ENTRY_LAYER;
  const layer = LAYERS[room];
  if (layer === undefined) throw new Error(`src/${file} lies in a room that the layer table does not have`);
  return layer;
}

function isPackage(target: string): boolean {
  return !target.endsWith(".ts");
}

/** What an import breaks, or undefined. */
function violation({ file, target }: Import): string | undefined {
  if (isPackage(target)) {
    const name = target.startsWith("@") ? target.split("/").slice(0, 2).join("/") : target.split("/")[0]!;
    if (DRIVERS.includes(name) && roomOf(file) !== "backend") return `${file} names the driver ${name}`;
    if (roomOf(file) === "base") return `${file} imports ${target}; base imports nothing`;
    const known = name.startsWith("node:") && builtinModules.includes(name.slice(5));
    return known || !name.startsWith("node:") ? undefined : `${file} imports ${target}, which Node has not`;
  }
  const from = layerOf(file);
  const to = layerOf(target);
  if (roomOf(file) === roomOf(target) || to < from) return undefined;
  // An entry file names what the rooms hold, and other entries.
  if (from === ENTRY_LAYER && to === ENTRY_LAYER) return undefined;
  return `${file} (layer ${from}) imports ${target} (layer ${to})`;
}

const files = sourceFiles(root);
const imports = files.flatMap((file) => importsOf(file, readFileSync(join(root, file), "utf8")));

describe("the rooms of src/", () => {
  it("import strictly down the layers, and only backend/ names a driver", () => {
    expect(imports.length).toBeGreaterThan(100);
    expect(imports.map(violation).filter((broken) => broken !== undefined)).toEqual([]);
  });

  it("have no cycles between their files when they run", () => {
    const graph = new Map<string, string[]>(files.map((file) => [file, []]));
    for (const { file, target, typeOnly } of imports) {
      if (!isPackage(target) && !typeOnly) graph.get(file)!.push(target);
    }
    expect(cyclesOf(graph)).toEqual([]);
  });

  it("are what the rule can refuse: upward, sideways and driver imports are found", () => {
    expect(violation({ file: "base/errors.ts", target: "pool/pool.ts" })).toContain("layer 0");
    expect(violation({ file: "cache/plan-cache.ts", target: "query/shape.ts" })).toContain("layer 1");
    expect(violation({ file: "engine/read.ts", target: "pg" })).toContain("driver");
    expect(violation({ file: "base/clock.ts", target: "node:fs" })).toContain("imports nothing");
    expect(violation({ file: "engine/read.ts", target: "pool/pool.ts" })).toBeUndefined();
  });
});

function cyclesOf(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, trail: readonly string[]): void => {
    if (trail.includes(file)) {
      cycles.push([...trail.slice(trail.indexOf(file)), file].join(" → "));
      return;
    }
    if (done.has(file)) return;
    for (const target of graph.get(file) ?? []) visit(target, [...trail, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return cycles;
}
