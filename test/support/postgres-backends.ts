import {
  type PostgresBackend,
  type PostgresConnection,
  type PostgresOptions,
  postgresBackend,
} from "../../src/backend/postgres/postgres-backend.ts";
import type { EngineStatement } from "../../src/base/engine-statement.ts";
import type { EngineProfile } from "../../src/dialect/postgres/profiles.ts";

/** A signal that never fires. */
export const never: AbortSignal = new AbortController().signal;

/** Backends and connections that a test opened, closed at its end. */
export class OpenBackends {
  readonly #connections: PostgresConnection[] = [];

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

  async closeAll(): Promise<void> {
    await Promise.all(this.#connections.splice(0).map((connection) => connection.close()));
  }
}

/** A statement as the compiler would make it; its text is its name, by content. */
export function statement(text: string, parts: Partial<EngineStatement> = {}): EngineStatement {
  return {
    text,
    name: `t_${Buffer.from(text).toString("hex").slice(-50)}`,
    prepare: true,
    cost: "scan",
    returnsRows: true,
    ...parts,
  };
}

/** A statement that changes something and gives no rows. */
export function change(text: string): EngineStatement {
  return statement(text, { returnsRows: false });
}

/** A statement that is not kept prepared. */
export function once(text: string): EngineStatement {
  return statement(text, { prepare: false, returnsRows: false });
}

/** The ways in which a group and its token are stored, with the parts of a profile that choose them. */
export const TOKEN_WAYS: readonly (readonly [string, Partial<EngineProfile>])[] = [
  ["in one statement", {}],
  ["one after the other", { changesInWith: false }],
  ["as on Citus", { changesInWith: false, namesIds: true, minCopyRows: 10 }],
];

/** Makes a collection, as the engine does. */
export async function createCollection(
  backend: PostgresBackend,
  connection: PostgresConnection,
  name: string,
): Promise<void> {
  for (const text of backend.dialect.ddl.createCollection(name)) await connection.execute(once(text), []);
}
