import { FormDBError } from "../../base/errors.ts";
import { detectProfile, type EngineProfile, PROFILES } from "../../dialect/postgres/profiles.ts";
import type { PostgresSettings } from "./postgres-options.ts";
import { ask, type OpenSession } from "./session-opener.ts";

/** The oldest PostgreSQL whose features the dialect uses. */
const OLDEST_MAJOR = 13;

/** What the server is. */
export interface Engine {
  readonly profile: EngineProfile;
  /** What it says of itself. */
  readonly version: string;
  /** Whether a pooler such as PgBouncer is between, which gives each transaction another session. */
  readonly pooled: boolean;
}

/** Finds out which engine answers. Throws `FORMDB_UNSUPPORTED` where documents could not be kept in it. */
export async function probeEngine(session: OpenSession, settings: PostgresSettings): Promise<Engine> {
  const { client, host } = session;
  const version = String(await ask(client, "SELECT version()"));
  const encoding = String(await ask(client, "SHOW server_encoding"));
  if (!/^utf-?8$/i.test(encoding)) {
    throw new FormDBError("FORMDB_UNSUPPORTED", `The database's encoding must be UTF8, not ${encoding}`);
  }
  const name = settings.profile ?? detectProfile(version, await extensionsOf(session), host.address.host);
  const major = /^PostgreSQL (\d+)/.exec(version)?.[1];
  if (major !== undefined && name !== "yugabytedb" && Number(major) < OLDEST_MAJOR) {
    throw new FormDBError(
      "FORMDB_UNSUPPORTED",
      `PostgreSQL must be ${OLDEST_MAJOR} or newer, not ${version}`,
    );
  }
  const profile = Object.freeze({ ...PROFILES[name], ...settings.profileOverrides });
  const pooled =
    settings.pgbouncer ??
    (profile.backendIds && (await ask(client, "SELECT pg_backend_pid()")) !== client.processID);
  return Object.freeze({ profile, version, pooled });
}

async function extensionsOf({ client }: OpenSession): Promise<readonly string[]> {
  try {
    const names = await ask(client, "SELECT string_agg(extname::text, ',') FROM pg_extension");
    return typeof names === "string" ? names.split(",") : [];
  } catch {
    return []; // Some engines have no such list, and no extensions either.
  }
}
