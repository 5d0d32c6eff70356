import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { type EngineProfile, PROFILES } from "../src/dialect/postgres/profiles.ts";
import { engineOf } from "../src/engine/form-db.ts";
import { type FormDB, open } from "../src/index.ts";
import { describeConformance } from "./conformance.ts";

/** What `npm run conformance -- --db URL` runs: the suite against the database that the URL names. */
declare module "vitest" {
  interface ProvidedContext {
    readonly databaseUrl: string;
  }
}

const url = inject("databaseUrl");

describe("the database", () => {
  let db: FormDB;

  beforeAll(async () => {
    db = await open(url);
  });
  afterAll(() => db?.close());

  it("says what it is", () => {
    const { profile, url: safeUrl } = db.stats();
    const { version = "" } = engineOf(db).backend as { readonly version?: string };
    console.log(`\n${safeUrl}, profile ${profile}. ${version}`);
    const known = (PROFILES as Readonly<Record<string, EngineProfile>>)[profile];
    if (known?.expressionIndexes === false)
      console.log("Without indexes over documents, which must be refused");
    if (known?.uniqueIndexes === "with id")
      console.log("Without unique indexes that lack the id, which must be refused");
    expect(profile).not.toBe("");
  });
});

describeConformance("The database", () => open(url));
