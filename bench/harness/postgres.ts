import pg from "pg";
import { type PostgresServer, startPostgres } from "../../test/support/postgres-server.ts";

/**
 * A PostgreSQL 18 with the durability and memory of its defaults: the tests' server gives both up for speed.
 * `synchronous_commit` is on, as always.
 */
export function startDurablePostgres(): Promise<PostgresServer> {
  return startPostgres({ settings: { fsync: "on", full_page_writes: "on", shared_buffers: "128MB" } });
}

/** A table as people write it, with the documents of `people` and the index on `age` that they would make. */
export async function makePeopleByHand(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query("CREATE TABLE by_hand (id text PRIMARY KEY, doc jsonb NOT NULL)");
  await client.query("INSERT INTO by_hand SELECT id, doc FROM people");
  await client.query("CREATE INDEX ON by_hand (((doc->>'age')::int))");
  await client.query("ANALYZE");
  await client.end();
}

/** Said below each result, because it decides what a commit costs. */
export async function describeServer(server: PostgresServer): Promise<string> {
  const names = ["fsync", "synchronous_commit", "full_page_writes", "shared_buffers"];
  const rows = await server.query(
    "SELECT name, current_setting(name) AS value FROM pg_settings WHERE name = ANY ($1)",
    [names],
  );
  const settings = rows.map(({ name, value }) => `${name} = ${value}`).join(", ");
  return `PostgreSQL ${server.serverVersion} on the loopback address: ${settings}`;
}
