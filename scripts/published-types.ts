import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Compiles `test/types/` against the built package as a user's project has it: by TypeScript's oldest supported version and by
 * the newest, under each resolution of modules. Then it compares what editors show with what `hover.ts` says; `--write` writes
 * that down instead. Needs `npm run build` and `npm ci --prefix tools`.
 */
const root = fileURLToPath(new URL("../", import.meta.url));
const project = join(root, "node_modules/.cache/published-types");
const write = process.argv.includes("--write");

const COMPILERS: Readonly<Record<string, string>> = {
  oldest: join(root, "tools/node_modules/typescript-oldest"),
  "with an API": join(root, "tools/node_modules/typescript"),
  newest: join(root, "node_modules/typescript"),
};
const RESOLUTIONS = ["node16", "nodenext", "bundler"] as const;
/** What the declarations of entry points name beside Node. */
const PEERS = ["@types", "@opentelemetry/api", "pg-types", "pg-protocol", "undici-types"];

/** What a user's project sets; the drivers' own types need newer versions than the library's. */
function compilerOptions(resolution: string): object {
  return {
    noEmit: true,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
    target: "es2022",
    lib: ["es2023", "esnext.disposable"],
    types: ["node"],
    module: resolution === "bundler" ? "esnext" : resolution,
    moduleResolution: resolution,
  };
}

/** A project with the package, as npm would install it, and its peers. */
function makeProject(): string[] {
  if (!existsSync(join(root, "dist/index.d.ts")))
    throw new Error("There is no dist/: run npm run build first");
  rmSync(project, { recursive: true, force: true });
  const installed = join(project, "node_modules/@formdb/perf");
  mkdirSync(installed, { recursive: true });
  cpSync(join(root, "dist"), join(installed, "dist"), { recursive: true });
  cpSync(join(root, "package.json"), join(installed, "package.json"));
  mkdirSync(join(project, "node_modules/@opentelemetry"));
  for (const peer of PEERS) {
    const place = join(root, "node_modules", peer);
    if (existsSync(place)) symlinkSync(place, join(project, "node_modules", peer), "dir");
  }
  writeFileSync(join(project, "package.json"), '{ "private": true, "type": "module" }');
  const files = readdirSync(join(root, "test/types")).filter((name) => name.endsWith(".ts"));
  for (const name of files) cpSync(join(root, "test/types", name), join(project, name));
  writeFileSync(join(project, "entries.ts"), entries());
  return [...files, "entries.ts"];
}

/** A file that imports each entry point. */
function entries(): string {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { exports: object };
  const paths = Object.keys(exports).filter((path) => !path.endsWith(".json"));
  const imports = paths.map((path, n) => `import * as e${n} from "${path.replace(".", "@formdb/perf")}";`);
  return `${imports.join("\n")}\nexport const all = [${paths.map((_, n) => `e${n}`).join(", ")}];\n`;
}

function compile(files: readonly string[]): number {
  let failed = 0;
  for (const [name, folder] of Object.entries(COMPILERS)) {
    const { version, bin } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
      readonly version: string;
      readonly bin: { readonly tsc: string };
    };
    for (const resolution of RESOLUTIONS) {
      try {
        const config = { compilerOptions: compilerOptions(resolution), files };
        writeFileSync(join(project, "tsconfig.json"), JSON.stringify(config));
        execFileSync(process.execPath, [join(folder, bin.tsc), "-p", "."], {
          cwd: project,
          encoding: "utf8",
        });
        console.log(`TypeScript ${version} (${name}), ${resolution}: as expected`);
      } catch (error) {
        failed++;
        console.error(
          `TypeScript ${version} (${name}), ${resolution}:\n${(error as { stdout: string }).stdout}`,
        );
      }
    }
  }
  return failed;
}

/** What an editor shows, as far as it is needed here. */
interface Compiler {
  readonly ScriptSnapshot: { fromString(text: string): unknown };
  createLanguageService(host: object): {
    getQuickInfoAtPosition(
      file: string,
      position: number,
    ): { readonly displayParts?: readonly { readonly text: string }[] } | undefined;
  };
  convertCompilerOptionsFromJson(json: object, folder: string): { readonly options: object };
  getDefaultLibFilePath(options: object): string;
  readonly sys: {
    fileExists(path: string): boolean;
    readFile(path: string): string | undefined;
    readDirectory(path: string): string[];
    directoryExists(path: string): boolean;
    getDirectories(path: string): string[];
  };
}

function compareHovers(): number {
  const ts = createRequire(import.meta.url)(COMPILERS["with an API"]!) as Compiler;
  const file = join(project, "hover.ts");
  const text = readFileSync(file, "utf8");
  const { options } = ts.convertCompilerOptionsFromJson(compilerOptions("nodenext"), project);
  const service = ts.createLanguageService({
    getCompilationSettings: () => options,
    getScriptFileNames: () => [file],
    getScriptVersion: () => "1",
    getScriptSnapshot: (path: string) => {
      const content = ts.sys.readFile(path);
      return content === undefined ? undefined : ts.ScriptSnapshot.fromString(content);
    },
    getCurrentDirectory: () => project,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    ...ts.sys,
    useCaseSensitiveFileNames: () => true,
  });
  let wrong = 0;
  const lines = text.split("\n");
  const written = [...lines];
  lines.forEach((line, n) => {
    const marker = line.indexOf("^?");
    if (!line.startsWith("//") || marker === -1) return;
    const position = lines.slice(0, n - 1).join("\n").length + 1 + marker;
    const parts = service.getQuickInfoAtPosition(file, position)?.displayParts ?? [];
    const shown = parts
      .map((part) => part.text)
      .join("")
      .replaceAll(/\s+/g, " ");
    const expected = line.slice(marker + 2).trim();
    if (shown === expected) return;
    wrong++;
    written[n] = `${line.slice(0, marker + 2)} ${shown}`;
    if (!write) console.error(`hover.ts:${n}: an editor shows\n  ${shown}\nand not\n  ${expected}`);
  });
  if (write) writeFileSync(join(root, "test/types/hover.ts"), written.join("\n"));
  else if (wrong === 0)
    console.log(`${lines.filter((line) => line.includes("^?")).length - 1} hovers: as expected`);
  return write ? 0 : wrong;
}

const failed = compile(makeProject()) + compareHovers();
if (failed > 0) process.exitCode = 1;
