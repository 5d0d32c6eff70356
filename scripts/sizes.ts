import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

/**
 * What each entry point of the built library makes a process load: its files and those that they import at once, without drivers
 * and what is imported later (`import()`). `npm run sizes` writes the table in `docs/performance.md`; with `--check` it changes
 * nothing, and fails if a size is not within a tenth of what the table says.
 */
const root = fileURLToPath(new URL("../", import.meta.url));
const page = join(root, "docs/performance.md");
const [BEGIN, END] = ["<!-- sizes: npm run sizes -->\n", "<!-- end of sizes -->"];
const TOLERANCE = 0.1;

interface Size {
  readonly entry: string;
  readonly files: number;
  readonly bytes: number;
  readonly zipped: number;
}

/** A file and all that it imports by static imports and exports of its own package. */
function closure(file: string, found: Set<string> = new Set()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  const text = readFileSync(file, "utf8");
  for (const [, target] of text.matchAll(/^(?:import|export)\b[^;]*?"(\.[^"]+)";/gms)) {
    closure(join(dirname(file), target!), found);
  }
  return found;
}

function sizes(): Size[] {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
  };
  return Object.entries(exports).flatMap(([path, target]) => {
    if (typeof target === "string") return [];
    const files = [...closure(join(root, target.default))].sort();
    const all = Buffer.concat(files.map((file) => readFileSync(file)));
    const entry = path.replace(".", "@formdb/perf");
    return [{ entry, files: files.length, bytes: all.length, zipped: gzipSync(all, { level: 9 }).length }];
  });
}

const kilobytes = (bytes: number): string => (bytes / 1_000).toFixed(0);
const row = ({ entry, files, bytes, zipped }: Size): string =>
  `| \`${entry}\` | ${files} | ${kilobytes(bytes)} | ${kilobytes(zipped)} |`;

const text = readFileSync(page, "utf8");
const [start, end] = [text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END)];
if (start < BEGIN.length || end < start)
  throw new Error(`${relative(root, page)} has no place for the sizes`);
const now = sizes();

if (process.argv.includes("--check")) {
  const told = new Map(
    [...text.slice(start, end).matchAll(/^\| `([^`]+)` \| \d+ \| (\d+) \|/gm)].map(([, entry, size]) => [
      entry!,
      Number(size),
    ]),
  );
  const wrong = now.filter(({ entry, bytes }) => {
    const size = told.get(entry);
    return size === undefined || Math.abs(bytes / 1_000 - size) > Math.max(1, size * TOLERANCE);
  });
  for (const size of wrong) console.error(`docs/performance.md does not tell this size: ${row(size)}`);
  if (wrong.length > 0 || told.size !== now.length) process.exitCode = 1;
  else console.log(`${now.length} sizes: as docs/performance.md tells them`);
} else {
  const table = ["| entry point | files | kB | kB gzipped |", "|---|---|---|---|", ...now.map(row)].join(
    "\n",
  );
  writeFileSync(page, `${text.slice(0, start)}${table}\n${text.slice(end)}`);
}
