import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { PostgresServer, type StartPostgresOptions } from "./postgres-server.ts";

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

/** The folder of each test, which is empty at its beginning and deleted at its end. */
export function useFolderEach(): () => string {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "formdb-test-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  return () => folder;
}
