import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MEMORY = "/dev/shm";
const onDisk = temporaryFolder(tmpdir());
// Who ends a scenario that takes too long leaves nothing behind.
process.on("SIGTERM", () => process.exit(143));
let made = 0;

/** The path of a file that is not there yet and goes with the process. */
export function temporaryFile(folder = onDisk): string {
  return join(folder, `bench-${++made}.db`);
}

/** A folder for such files that lies in memory, where the system has one. */
export function folderInMemory(): string {
  return existsSync(MEMORY) ? temporaryFolder(MEMORY) : onDisk;
}

function temporaryFolder(parent: string): string {
  const folder = mkdtempSync(join(parent, "formdb-bench-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
