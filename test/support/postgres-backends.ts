import { afterEach } from "vitest";
import {
  type PostgresBackend,
  type PostgresConnection,
  type PostgresOptions,
  postgresBackend,
} from "../../src/backend/postgres/postgres-backend.ts";
import type { EngineProfile } from "../../src/dialect/postgres/profiles.ts";
import { never, once, statement } from "./statements.ts";

type Rows = readonly (readonly unknown[])[];

/** Backends that are started for a test, and their connections, which are closed at its end. */
export class OpenBackends {
  readonly #connections: PostgresConnection[] = [];

  constructor() {
    afterEach(() => Promise.all(this.#connections.splice(0).map((connection) => connection.close())));
  }

  async start(url: string, options: PostgresOptions = {}): Promise<PostgresBackend> {
    const backend = postgresBackend(url, options);
    await backend.start(never);
    return backend;
  }

  async connect(backend: PostgresBackend, role: "read" | "write" = "write"): Promise<PostgresConnection> {
    const connection = await backend.connect(role, never);
    this.#connections.push(connection);
    return connection;
  }
}

/** The rows of a statement that is kept prepared. */
export async function rowsOf(
  connection: PostgresConnection,
  text: string,
  values: readonly unknown[] = [],
): Promise<Rows> {
  return (await connection.execute(statement(text), values)).rows;
}

/** Runs statements, none of which is kept prepared, one after the other, and gives the rows of the last. */
export async function run(connection: PostgresConnection, ...texts: string[]): Promise<Rows> {
  let rows: Rows = [];
  for (const text of texts) ({ rows } = await connection.execute(once(text), []));
  return rows;
}

/** The ways in which a group and its token are stored, with the parts of a profile that choose them. */
export const TOKEN_WAYS: readonly (readonly [string, Partial<EngineProfile>])[] = [
  ["in one statement", {}],
  ["one after the other", { changesInWith: false }],
  ["as on Citus", { changesInWith: false, namesIds: true, minCopyRows: 10 }],
];
