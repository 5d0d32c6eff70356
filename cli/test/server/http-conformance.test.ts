import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { type HttpDatabase, open } from "@formdb/perf";
import { afterAll, describe } from "vitest";
import { describeConformance } from "../../../test/conformance.ts";
import { usePostgres } from "../../../test/support/hooks.ts";
import { Scratch, servedAt, startCli } from "../run-cli.ts";

const KEY = "the-key-of-the-conformance-test";
const REMOTE = { stats: (db: unknown) => (db as HttpDatabase).serverStats() };

const scratch = new Scratch();
const children: ChildProcess[] = [];

afterAll(async () => {
  for (const child of children) {
    child.kill("SIGTERM");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }
  scratch[Symbol.dispose]();
});

/** A database behind a `formdb serve` of its own. */
async function opened(database: string): Promise<HttpDatabase> {
  const child = startCli(["serve", "--port", "0", "--log-level", "error", "--db", database], {
    env: { FORMDB_API_KEY: KEY },
  });
  children.push(child);
  return open((await servedAt(child)) as "http://localhost", { apiKey: KEY });
}

describeConformance("SQLite over HTTP", () => opened(`sqlite:${scratch.file("app.db")}`), REMOTE);

describe("PostgreSQL", () => {
  const server = usePostgres();

  describeConformance("PostgreSQL over HTTP", async () => opened(await server.createDatabase()), REMOTE);
});
