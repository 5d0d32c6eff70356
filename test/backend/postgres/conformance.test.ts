import { afterAll, beforeAll, describe } from "vitest";
import { open } from "../../../src/engine/open.ts";
import { describeConformance } from "../../conformance.ts";
import { type PostgresServer, postgresVersions, startPostgres } from "../../support/postgres-server.ts";

describe.each(postgresVersions())("PostgreSQL (%s)", (version) => {
  let server: PostgresServer;

  beforeAll(async () => {
    server = await startPostgres({ version });
  });
  afterAll(() => server.remove());

  describeConformance(`PostgreSQL (${version})`, async () => open(await server.createDatabase()));

  describeConformance(`PostgreSQL (${version}), written to as Citus is`, async () =>
    open(await server.createDatabase(), {
      postgres: { profileOverrides: { changesInWith: false, namesIds: true, minCopyRows: 10 } },
    }),
  );
});
