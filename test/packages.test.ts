import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { useFolder } from "./support/hooks.ts";

/** Of a registry that is far away, with nothing in npm's cache: ten minutes. */
const INSTALLING_MS = 600_000;
const repository = fileURLToPath(new URL("../", import.meta.url));
const scratch = useFolder();

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(cwd: string, command: string, args: readonly string[]): Promise<Ended> {
  try {
    return { code: 0, ...(await promisify(execFile)(command, args, { cwd })) };
  } catch (error) {
    const { code, stdout, stderr } = error as Ended;
    return { code, stdout, stderr };
  }
}

async function npm(cwd: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(cwd, "npm", args);
  if (code !== 0) throw new Error(`npm ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** What a user has: a folder with nothing but what npm has installed into it. */
async function folderWith(name: string, ...packages: string[]): Promise<string> {
  const folder = join(scratch, name);
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  await install(folder, ...packages);
  return folder;
}

async function install(folder: string, ...packages: string[]): Promise<void> {
  await npm(folder, "install", "--prefer-offline", "--ignore-scripts", ...packages);
}

function program(folder: string, text: string): Promise<Ended> {
  writeFileSync(join(folder, "program.js"), text);
  return run(folder, process.execPath, ["program.js"]);
}

/** What is installed in a folder, in MB of a million bytes. */
function weight(folder: string): number {
  const files = readdirSync(join(folder, "node_modules"), { recursive: true, withFileTypes: true });
  const bytes = files
    .filter((file) => file.isFile())
    .map((file) => statSync(join(file.parentPath, file.name)).size);
  return bytes.reduce((sum, size) => sum + size, 0) / 1e6;
}

/** What the README's table says that a command's installation weighs, in MB. */
function toldWeight(command: string): number {
  const readme = readFileSync(join(repository, "README.md"), "utf8");
  const row = readme.split("\n").find((line) => line.startsWith(`| \`${command}\` |`));
  return Number(/\| (\d+) MB/.exec(row ?? "")?.[1]);
}

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

let perf: Packed;
let cli: Packed;
const tarball = ({ filename }: Packed): string => join(scratch, filename);

beforeAll(async () => {
  await npm(repository, "run", "build");
  const pack = async (folder: string): Promise<Packed> => {
    const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", scratch];
    return (JSON.parse(await npm(folder, ...args)) as [Packed])[0];
  };
  perf = await pack(repository);
  cli = await pack(join(repository, "cli"));
}, INSTALLING_MS);

describe("the packages as they are published", () => {
  it("hold what was built and what users read, and no sources, tests or decisions", () => {
    const paths = perf.files.map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining(["LICENSE", "README.md", "docs/pool.md", "examples/quick-start.ts"]),
    );
    const folders = new Set(paths.map((path) => path.split("/").slice(0, -1).join("/")));
    expect([...folders].filter((path) => /^(?:src|cli|test|bench|scripts|docs\/.+)/.test(path))).toEqual([]);
    expect(cli.files.filter(({ path }) => !path.startsWith("dist/")).map(({ path }) => path)).toEqual([
      "LICENSE",
      "README.md",
      "package.json",
    ]);
  });
});

describe("the library alone", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await folderWith("library", tarball(perf));
  }, INSTALLING_MS);

  it("brings no other package, and its parts work", async () => {
    const installed = readdirSync(join(folder, "node_modules")).filter((name) => !name.startsWith("."));
    expect(installed).toEqual(["@formdb"]);
    expect(Math.round(weight(folder))).toBe(toldWeight("npm i @formdb/perf"));
    const ended = await program(
      folder,
      `import { Pool } from "@formdb/perf/pool";
       import { PlanCache } from "@formdb/perf/cache";
       import { BatchProcessor } from "@formdb/perf/batch";
       import { Metrics } from "@formdb/perf/metrics";
       import { open } from "@formdb/perf";
       const pool = new Pool({ create: async () => ({ n: 1 }), destroy: () => {} });
       console.log(await pool.use(async ({ n }) => n + 1));
       await pool.close();`,
    );
    expect(ended).toEqual({ code: 0, stdout: "2\n", stderr: "" });
  });

  it.each([
    [
      "sqlite:app.db",
      "SQLite needs the package better-sqlite3, which is not installed: npm i better-sqlite3",
    ],
    ["postgres://localhost/app", "PostgreSQL needs the package pg, which is not installed: npm i pg"],
  ])("says what %s needs", async (url, message) => {
    const ended = await program(
      folder,
      `import { open } from "@formdb/perf";
       await open(${JSON.stringify(url)}).catch(({ name, code, message }) => console.log(name, code, message));`,
    );
    expect(ended).toEqual({ code: 0, stdout: `FormDBError FORMDB_CONFIG ${message}\n`, stderr: "" });
  });

  it(
    "runs the README's ten lines, twice, once its driver is there",
    async () => {
      await install(folder, "better-sqlite3");
      const told = toldWeight("npm i @formdb/perf better-sqlite3");
      expect(Math.abs(weight(folder) - told)).toBeLessThan(told / 10);
      const readme = readFileSync(join(repository, "README.md"), "utf8");
      const lines = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;
      for (const _run of [1, 2]) {
        const ended = await program(folder, lines);
        expect(ended).toMatchObject({ code: 0, stderr: "" });
        expect(ended.stdout).toContain("{ successful: 2, failed: 0, errors: [] }\n[ { name: 'Grace' } ]");
      }
    },
    INSTALLING_MS,
  );
});

describe("the command alone", () => {
  it(
    "imports and queries, with the drivers that it brings",
    async () => {
      const folder = await folderWith("command", tarball(perf), tarball(cli));
      const formdb = join(folder, "node_modules/.bin/formdb");
      expect(existsSync(formdb)).toBe(true);
      const told = toldWeight("npm i -g @formdb/cli");
      expect(Math.abs(weight(folder) - told)).toBeLessThan(told / 10);
      const command = (...args: string[]): Promise<Ended> => run(folder, process.execPath, [formdb, ...args]);
      writeFileSync(join(folder, "in.csv"), "id,name\n1,Ada\n");
      expect(await command("import", "in.csv", "--into", "users")).toMatchObject({
        code: 0,
        stdout: expect.stringContaining("1 imported"),
      });
      expect(await command("query", "SELECT name FROM users", "--format", "ndjson")).toEqual({
        code: 0,
        stdout: '{"name":"Ada"}\n',
        stderr: "",
      });
      const missing = await command("query", "SELECT 1 FROM a", "--db", "postgres://127.0.0.1:1/none");
      expect(missing.stderr).not.toContain("not installed");
    },
    INSTALLING_MS,
  );
});
