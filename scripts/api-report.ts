import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Extractor, ExtractorConfig, ExtractorLogLevel } from "@microsoft/api-extractor";

/**
 * Keeps a report of all that users can import, `api/*.api.md`, a file an entry point. `npm run api` writes the reports from the
 * built types; with `--check` it changes nothing, and fails if a report no longer is what the types say. So a change of the
 * public API is seen in the diff, or by CI.
 */
const root = fileURLToPath(new URL("../", import.meta.url));
const folder = join(root, "api");
const check = process.argv.includes("--check");

interface Entry {
  readonly name: string;
  readonly types: string;
}

function entriesOf(packageFolder: string): Entry[] {
  const { name, exports } = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8")) as {
    readonly name: string;
    readonly exports: Readonly<Record<string, string | { readonly types: string }>>;
  };
  return Object.entries(exports).flatMap(([path, target]) =>
    typeof target === "string"
      ? []
      : [
          {
            name: `${name}${path.slice(1)}`.replace(/^@/, "").replaceAll("/", "-"),
            types: join(packageFolder, target.types),
          },
        ],
  );
}

function isCurrent({ name, types }: Entry): boolean {
  if (!existsSync(types)) throw new Error(`${types} is not there: run npm run build first`);
  const config = ExtractorConfig.prepare({
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: types,
      compiler: {
        overrideTsconfig: {
          compilerOptions: {
            module: "nodenext",
            moduleResolution: "nodenext",
            skipLibCheck: true,
            types: ["node"],
            lib: ["es2024", "esnext.disposable"],
          },
        },
      },
      apiReport: {
        enabled: true,
        reportFileName: name,
        reportFolder: folder,
        reportTempFolder: join(root, "node_modules/.cache/api"),
        includeForgottenExports: false,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      newlineKind: "lf" as never,
      messages: {
        compilerMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
        extractorMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
        tsdocMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
      },
    },
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, "package.json"),
  });
  const { apiReportChanged } = Extractor.invoke(config, {
    localBuild: !check,
    messageCallback: (message) => {
      message.handled = true;
    },
  });
  return !apiReportChanged;
}

mkdirSync(folder, { recursive: true });
const entries = [root, join(root, "cli")].flatMap(entriesOf);
const changed = entries.filter((entry) => !isCurrent(entry)).map(({ name }) => `${name}.api.md`);
const known = new Set(entries.map(({ name }) => `${name}.api.md`));
const surplus = readdirSync(folder).filter((file) => !known.has(file));
if (!check) for (const file of surplus) rmSync(join(folder, file));
if (check && changed.length + surplus.length > 0) {
  console.error(
    `The public API is not what api/ says: ${[...changed, ...surplus].join(", ")}. If the change is meant, run npm run api and commit it`,
  );
  process.exitCode = 1;
} else {
  console.log(`${entries.length} entry points, ${changed.length} reports ${check ? "changed" : "written"}`);
}
