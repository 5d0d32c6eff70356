import { inject } from "vitest";
import { type EngineProfile, PROFILES } from "../src/dialect/postgres/profiles.ts";
import { engineOf } from "../src/engine/form-db.ts";
import { open } from "../src/index.ts";
import { describeConformance } from "./conformance.ts";

/** What `npm run conformance -- --db URL` runs: the suite against the database that the URL names. */
declare module "vitest" {
  interface ProvidedContext {
    readonly databaseUrl: string;
  }
}

describeConformance("The database", async () => {
  const db = await open(inject("databaseUrl"));
  const { profile, url } = db.stats();
  const { version = "" } = engineOf(db).backend as { readonly version?: string };
  console.log(`\n${url}, profile ${profile}. ${version}`);
  const known = (PROFILES as Readonly<Record<string, EngineProfile>>)[profile];
  if (known?.expressionIndexes === false) console.log("Without indexes over documents: they must be refused");
  if (known?.uniqueIndexes === "with id")
    console.log("Without unique indexes that lack the id: they must be refused");
  return db;
});
