import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "formdb-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
// Who ends a scenario that takes too long leaves nothing behind.
process.on("SIGTERM", () => process.exit(143));
let made = 0;

/** The path of a file that is not there yet and goes with the process. */
export function temporaryFile(): string {
  return join(folder, `bench-${++made}.db`);
}
