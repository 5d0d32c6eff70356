import { join } from "node:path";
import { describe } from "vitest";
import { type FormDB, type OpenOptions, open } from "../../src/index.ts";
import { useFolder, usePostgres } from "./hooks.ts";
import { postgresVersions } from "./postgres-server.ts";

/** Opens an empty database. */
export type OpenDatabase = (options?: OpenOptions) => Promise<FormDB>;

/** Tests that hold on every engine. On a busy machine connections take their time. */
export function onEveryEngine(tests: (openDatabase: OpenDatabase) => void, options: OpenOptions = {}): void {
  describe("SQLite in memory:", () => tests((more) => open("sqlite::memory:", { ...options, ...more })));

  describe("A file of SQLite:", () => {
    const folder = useFolder();
    let files = 0;
    tests((more) => open(join(folder, `${++files}.db`), { ...options, ...more }));
  });

  describe.each(postgresVersions())("PostgreSQL (%s):", (version) => {
    const server = usePostgres({ version });
    const patient = { ...options, pool: { acquireTimeoutMs: 60_000, ...options.pool } };
    tests(async (more) => open(await server.createDatabase(), { ...patient, ...more }));
  });
}
