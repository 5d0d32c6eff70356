#!/usr/bin/env node
import module from "node:module";

/** The first Node that better-sqlite3 13 runs on. */
const OLDEST_NODE = 22;

if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
  process.stderr.write(`formdb: Node ${OLDEST_NODE} or newer is needed, not ${process.versions.node}\n`);
  process.exitCode = 1;
} else {
  // From the second start on, modules come compiled: a command is there in a third of the time.
  module.enableCompileCache?.();
  // Loaded only now, so that an older Node stumbles over nothing on the way to the message above.
  const { run } = await import("./program.ts");
  await run(process.argv.slice(2));
}
