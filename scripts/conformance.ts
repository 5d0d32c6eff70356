import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startVitest } from "vitest/node";

/**
 * Runs the conformance suite against any database: `npm run conformance -- --db URL`. Its collections are named
 * `conf_…` and dropped at the end. Exit codes: 0 all passed, 1 some did not, 2 wrong usage.
 */
const USAGE =
  "Usage: npm run conformance -- --db URL [--only TEXT] [--built]\n" +
  "  --db URL     postgres://user@host/database, sqlite:file.db; or the environment's FORMDB_URL\n" +
  "  --only TEXT  only tests whose names hold this\n" +
  "  --built      of the library in dist/ instead of its sources";

process.exitCode = await main();

async function main(): Promise<number> {
  let given: { db?: string | undefined; only?: string | undefined; built?: boolean | undefined };
  try {
    given = parseArgs({
      options: { db: { type: "string" }, only: { type: "string" }, built: { type: "boolean" } },
    }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  const databaseUrl = given.db || process.env.FORMDB_URL;
  if (databaseUrl === undefined || databaseUrl === "") {
    console.error(`Which database? No URL was given.\n${USAGE}`);
    return 2;
  }
  const root = fileURLToPath(new URL("../", import.meta.url));
  const suite = fileURLToPath(new URL("../test/conformance-url.ts", import.meta.url));
  const alias = { find: /^(?:\.\.?\/)+src\/(.+)\.ts$/, replacement: `${root}dist/$1.js` };
  const vitest = await startVitest(
    "test",
    [suite],
    {
      root,
      include: [suite],
      watch: false,
      provide: { databaseUrl },
      reporters: ["verbose"],
      ...(given.only === undefined ? {} : { testNamePattern: escapePattern(given.only) }),
    },
    given.built === true ? { resolve: { alias: [alias] } } : {},
  );
  const tests = vitest.state.getTestModules().flatMap((module) => [...module.children.allTests()]);
  const count = (state: string): number => tests.filter((test) => test.result().state === state).length;
  const failed = count("failed") + vitest.state.getUnhandledErrors().length;
  const brokenModules = vitest.state.getTestModules().filter((module) => !module.ok()).length;
  await vitest.close();
  console.log(
    `${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} not run, of ${tests.length}`,
  );
  return failed === 0 && brokenModules === 0 && count("passed") > 0 ? 0 : 1;
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
