import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { type FormDB, type OpenOptions, open } from "../../src/index.ts";
import { PostgresServer, postgresVersions, type StartPostgresOptions } from "./postgres-server.ts";

/** A server that runs while the tests of this file, or of this `describe`, do. */
export function usePostgres(options: StartPostgresOptions = {}): PostgresServer {
  const server = new PostgresServer(options);
  beforeAll(() => server.begin());
  afterAll(() => server.remove());
  return server;
}

/** A folder that is deleted after the tests of this file, or of this `describe`. */
export function useFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "formdb-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

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
