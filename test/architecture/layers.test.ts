import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

/** The layer table of ARCHITECTURE.md, for the library's rooms: imports go strictly down, never sideways. */
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
  pg: 3,
  functions: 4,
};

/** Files beside the rooms: the public entries. They stand above every room. */
const ENTRY_LAYER = 5;

const DRIVERS = ["better-sqlite3", "pg", "pg-cursor", "pg-copy-streams", "pg-query-stream"];

const repository = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

interface Import {
  readonly file: string;
  /** A file below the same root, `../…` for one outside of it, or a package. */
  readonly target: string;
}

function sourceFiles(root: string): string[] {
  return readdirSync(root, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

function importsOf(root: string, file: string): Import[] {
  const text = readFileSync(join(root, file), "utf8");
  const matches = [
    ...text.matchAll(/^\s*(?:import|export)\b[^;"']*?\bfrom\s+["']([^"']+)["']/gm),
    ...text.matchAll(/^\s*import\s+["']([^"']+)["']/gm),
    ...text.matchAll(/\bimport\(\s*["']([^"']+)["']\s*\)/g),
  ];
  return matches.map(([, specifier = ""]) => ({
    file,
    target: specifier.startsWith(".") ? relative(root, resolve(root, dirname(file), specifier)) : specifier,
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

function mayNameDriver(file: string, driver: string): boolean {
  const room = roomOf(file);
  return room === "backend" || (room === "pg" && driver === "pg");
}

/** What an import breaks, or undefined. */
function violation({ file, target }: Import): string | undefined {
  if (isPackage(target)) {
    const name = target.startsWith("@") ? target.split("/").slice(0, 2).join("/") : target.split("/")[0]!;
    if (DRIVERS.includes(name) && !mayNameDriver(file, name)) return `${file} names the driver ${name}`;
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

const library = join(repository, "src");
const files = sourceFiles(library);
const imports = files.flatMap((file) => importsOf(library, file));

const cli = join(repository, "cli/src");
const cliFiles = sourceFiles(cli);
const cliImports = cliFiles.flatMap((file) => importsOf(cli, file));

const { exports: entries } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as {
  exports: Record<string, unknown>;
};
const publicNames = new Set(Object.keys(entries).map((entry) => entry.replace(".", "@formdb/perf")));

/** What an import of the command's package breaks, or undefined. */
function cliViolation({ file, target }: Import): string | undefined {
  if (target.startsWith("../")) return `${file} imports ${target}, which lies outside of its package`;
  if (!target.startsWith("@formdb/perf") || publicNames.has(target)) return undefined;
  return `${file} imports ${target}, which is no public entry of the library`;
}

describe("the rooms of src/", () => {
  it("import strictly down the layers, and only backend/ names a driver, and pg/ the one that it extends", () => {
    expect(imports.length).toBeGreaterThan(100);
    expect(imports.map(violation).filter((broken) => broken !== undefined)).toEqual([]);
  });

  it("have no cycles between their files, types included", () => {
    expect(cyclesOf(files, imports)).toEqual([]);
  });

  it("are what the rule can refuse: upward, sideways and driver imports are found", () => {
    expect(violation({ file: "base/errors.ts", target: "pool/pool.ts" })).toContain("layer 0");
    expect(violation({ file: "cache/plan-cache.ts", target: "query/shape.ts" })).toContain("layer 1");
    expect(violation({ file: "engine/read.ts", target: "pg" })).toContain("driver");
    expect(violation({ file: "pg/pool.ts", target: "better-sqlite3" })).toContain("driver");
    expect(violation({ file: "pg/pool.ts", target: "engine/open.ts" })).toContain("layer 3");
    expect(violation({ file: "base/clock.ts", target: "node:fs" })).toContain("imports nothing");
    expect(violation({ file: "engine/read.ts", target: "pool/pool.ts" })).toBeUndefined();
    expect(cyclesOf(["a.ts", "b.ts"], [edge("a.ts", "b.ts"), edge("b.ts", "a.ts")])).toHaveLength(1);
  });
});

describe("the command's package, layer 5", () => {
  it("imports its own files and what the library makes public", () => {
    expect(cliImports.filter(({ target }) => target.startsWith("@formdb/perf")).length).toBeGreaterThan(10);
    expect(cliImports.map(cliViolation).filter((broken) => broken !== undefined)).toEqual([]);
  });

  it("has no cycles between its files, types included", () => {
    expect(cyclesOf(cliFiles, cliImports)).toEqual([]);
  });

  it("can break that rule: a way into the library's rooms is found", () => {
    expect(cliViolation(edge("main.ts", "../src/engine/open.ts"))).toContain("outside");
    expect(cliViolation(edge("main.ts", "@formdb/perf/engine"))).toContain("no public entry");
    expect(cliViolation(edge("main.ts", "@formdb/perf/query"))).toBeUndefined();
  });
});

function edge(file: string, target: string): Import {
  return { file, target };
}

function cyclesOf(all: readonly string[], edges: readonly Import[]): string[] {
  const graph = new Map<string, string[]>(all.map((file) => [file, []]));
  for (const { file, target } of edges) if (!isPackage(target)) graph.get(file)!.push(target);
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
