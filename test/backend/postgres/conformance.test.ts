import { describe } from "vitest";
import { open } from "../../../src/engine/open.ts";
import { describeConformance } from "../../conformance.ts";
import { usePostgres } from "../../support/hooks.ts";
import { postgresVersions } from "../../support/postgres-server.ts";

describe.each(postgresVersions())("PostgreSQL (%s)", (version) => {
  const server = usePostgres({ version });

  describeConformance(`PostgreSQL (${version})`, async () => open(await server.createDatabase()));

  describeConformance(`PostgreSQL (${version}), spoken to as Citus is`, async () =>
    open(await server.createDatabase(), {
      postgres: { profile: "citus", profileOverrides: { distributes: false, lockTimeouts: true } },
    }),
  );
});
