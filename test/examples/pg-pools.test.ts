import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { usePostgres } from "../support/hooks.ts";

const server = usePostgres();

async function output(example: string): Promise<string[]> {
  const path = fileURLToPath(new URL(`../../examples/${example}`, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--conditions=@formdb/source", path], {
    env: { ...process.env, DATABASE_URL: server.url },
  });
  return stdout.trimEnd().split("\n");
}

const PETS = "[ { name: 'Mia' }, { name: 'Rex' } ]";

describe("the examples of @formdb/perf/pg", () => {
  it("pg-plain.ts prepares by itself and is measured", async () => {
    expect(await output("pg-plain.ts")).toEqual(["42", "prepared", "measured"]);
  });

  it("pg-kysely.ts commits and rolls back", async () => {
    expect(await output("pg-kysely.ts")).toEqual(["changed my mind", PETS]);
  });

  it("pg-drizzle.ts commits and rolls back on one client", async () => {
    expect(await output("pg-drizzle.ts")).toEqual(["Rollback", PETS]);
  });

  it("pg-knex.ts commits and rolls back", async () => {
    expect(await output("pg-knex.ts")).toEqual(["changed my mind", PETS]);
  });

  it("pg-prisma.ts asks through the adapter", async () => {
    expect(await output("pg-prisma.ts")).toEqual(["[ [ 1 ] ]", "[ [ 2 ] ] 1 client is out"]);
  });

  it("pg-postgres-js.ts bounds what is under way", async () => {
    expect(await output("pg-postgres-js.ts")).toEqual(["42", "at most 4 at a time"]);
  });
});
