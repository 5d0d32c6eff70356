import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Runs the scenarios of bench/ that are named on the command line; without a name, lists them. */
const folder = fileURLToPath(new URL("../bench/", import.meta.url));
const scenarios = readdirSync(folder)
  .filter((name) => name.endsWith(".ts"))
  .map((name) => name.slice(0, -3));
const [named, ...rest] = process.argv.slice(2);

if (!existsSync(`${folder}node_modules`)) {
  console.error("The contenders are not installed. Run: npm ci --prefix bench");
  process.exitCode = 2;
} else if (named === undefined || !scenarios.includes(named)) {
  console.error(
    `${named === undefined ? "Name a scenario" : `There is no scenario ${named}`}: ${scenarios.join(", ")}`,
  );
  process.exitCode = 2;
} else {
  const { status } = spawnSync(process.execPath, ["--expose-gc", `${folder}${named}.ts`, ...rest], {
    stdio: "inherit",
  });
  process.exitCode = status ?? 1;
}
